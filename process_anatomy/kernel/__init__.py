"""The kernel: which Windows an image holds, found without symbols."""
