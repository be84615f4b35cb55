"""How outcomes become true: handed to the next hop, held, or answered, and nothing twice."""
