"""What every other room stands on: bytes from declarations, chance, time, and what tells generations of Windows."""
