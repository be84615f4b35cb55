"""How mail servers bring a message: SMTP, LMTP, milter, pipe. No S/MIME in here."""
