"""Who a caller is: users, their passwords, and the tokens that stand for them."""
