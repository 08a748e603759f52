"""From an application root of panorama-cli to a project."""
