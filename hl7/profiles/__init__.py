"""Message profiles (2.5.1 §2.12) and messages judged by them; `profile.read` and `profile.judge` are the ways in."""
