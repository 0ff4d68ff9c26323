"""What has been made so far: the records that builders fill in and hand to one another."""
