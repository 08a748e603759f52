"""What is wrong or odd in an application."""
