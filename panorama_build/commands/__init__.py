"""What ``panorama-build`` knows beyond doit's own commands: a module a command."""
