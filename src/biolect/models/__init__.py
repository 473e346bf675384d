"""Models: an embedding, a backbone and a head; saved as one folder that explains itself."""
