"""What the bench and the soak share."""
