/** Whether a file is not there. */
import type { PlatformError } from "effect/PlatformError"

/** Nothing is there, or can be, as a part of its path is no folder: the home of some users of systems is /dev/null. */
export const isAbsent = ({ reason }: PlatformError): boolean =>
  reason._tag === "NotFound" ||
  "cause" in reason && (reason.cause as { readonly code?: unknown } | undefined)?.code === "ENOTDIR"
