"""What is learned: a loss, the tables it trains, and how a batch is planned."""
