"""Traces of tampering: what does not fit together, one by one."""
