"""Networks: `(x, c_noise, cond) -> tensor`; they never see a process or a time."""
