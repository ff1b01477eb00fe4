/** What the system says of a file that could not be had. */
import type { PlatformError } from "effect/PlatformError"

/** Effect's own words name its functions, and say "Unknown" of a disk that is full, or may only be read. */
export const systemSays = ({ message, reason }: PlatformError): string =>
  "cause" in reason && reason.cause instanceof Error ? reason.cause.message : message
