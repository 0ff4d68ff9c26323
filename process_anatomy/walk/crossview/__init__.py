"""Who sees which processes, csrss.exe's own list among them, and what each absence means."""
