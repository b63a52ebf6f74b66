"""Dead code; nothing of it is for Python."""
