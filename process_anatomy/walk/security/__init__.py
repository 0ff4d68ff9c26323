"""The security context: tokens, their groups, privileges, access lists and claims, and who is behind each SID."""
