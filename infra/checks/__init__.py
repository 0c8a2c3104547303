"""The parts that `lodestone doctor` looks at. Each look answers with findings, whatever it meets, and in a time."""
