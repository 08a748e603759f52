"""What comes from and goes to other places: paths, the web, S3."""
