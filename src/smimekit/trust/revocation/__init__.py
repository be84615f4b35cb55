"""What is known about revocation: evidence that came along, is kept, or is fetched."""
