"""What operators answer, pay and decide, read into values."""
