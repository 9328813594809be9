"""PostgreSQL, the truth: schema by wings, migrations, the pool, and the transaction that belongs to one tenant."""
