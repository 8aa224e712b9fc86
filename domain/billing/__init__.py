"""What is charged: eras of WhatsApp's terms, markets, rate cards, and a price for each delivered message."""
