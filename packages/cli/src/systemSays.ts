/** What the system says of a file that could not be had. */
import type { PlatformError } from "effect/PlatformError"

/** Errors that Effect has no name for say "Unknown" and nothing of the disk that is full, or may only be read: the system's own words do. */
export const systemSays = ({ message, reason }: PlatformError): string =>
  reason._tag === "Unknown" && reason.cause instanceof Error ? reason.cause.message : message
