"""What is asked of payers beside the bill: elegibilidade, autorização, comunicação, cancelamento, documentos."""
