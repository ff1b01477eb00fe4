/** What assistants may do, as the commands that serve them are told. */
import * as Flag from "effect/cli/Flag"

/** The flags of commands that serve assistants. */
export const assistants = {
  allow: Flag.String("allow").pipe(
    Flag.withMetavar("FUNCTION@PEER"),
    Flag.withDescription("What assistants may call; it may be given several times"),
    Flag.atLeast(0)
  ),
  readOnly: Flag.String("read-only").pipe(
    Flag.withMetavar("FUNCTION@PEER"),
    Flag.withDescription(
      "What changes nothing, which assistants may then call without asking; it has to be allowed, too"
    ),
    Flag.atLeast(0)
  )
}
