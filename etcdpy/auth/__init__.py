"""Who a caller is and what it may do: users, roles, passwords, and tokens that stand for users."""
