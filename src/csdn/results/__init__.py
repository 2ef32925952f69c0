"""Reading of finished results: scores, tables, histories, embeddings, the images behind them."""
