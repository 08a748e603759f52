"""Build and publish AWS Panorama applications from one panorama.yaml."""
