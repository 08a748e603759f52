exec python3 -m app
