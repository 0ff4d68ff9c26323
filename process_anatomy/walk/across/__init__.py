"""What joins several components of a process, and the hub from which all tables are had."""
