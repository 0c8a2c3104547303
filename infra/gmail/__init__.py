"""Gmail through Google's own client: the port `MailProvider` in `provider.py`."""
