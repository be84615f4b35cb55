"""Mail that goes out: what is asked for, what is decided, and how it is done."""
