/**
 * The time of day as the wire has it, which begins in 1970: a clock that is before that, as of a machine without a battery whose
 * time has not been set yet, stands still at the beginning. Machines that are all before it understand each other, and others say
 * that the clocks differ.
 */
import type * as Clock from "effect/Clock"

export const millisUnsafe = (clock: Clock.Clock): number => Math.max(0, clock.currentTimeMillisUnsafe())

export const microsUnsafe = (clock: Clock.Clock): number => Math.max(0, Number(clock.currentTimeNanosUnsafe() / 1_000n))
