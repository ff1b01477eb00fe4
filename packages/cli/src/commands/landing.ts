/** What holds for files that arrive, whichever command takes them. */
import * as Flag from "effect/cli/Flag"
import { Bytes, Span, Umask } from "../settings/declare.ts"

/** The flags of it, of which none has to be given. */
export const landing = {
  collisions: Flag.Literals("collisions", ["rename", "overwrite", "skip"]).pipe(
    Flag.optional,
    Flag.withDescription(
      "A file that arrives and whose name is taken: gets a name beside it, takes its place, or is left out; default: rename"
    )
  ),
  maxBytes: Flag.String("max-bytes").pipe(
    Flag.withMetavar("SIZE"),
    Flag.withSchema(Bytes),
    Flag.optional,
    Flag.withDescription("The most that is taken of one offer of files, such as 500MB or 2GiB")
  ),
  umask: Flag.String("umask").pipe(
    Flag.withMetavar("BITS"),
    Flag.withSchema(Umask),
    Flag.optional,
    Flag.withDescription("Permissions that no file or folder that arrives gets, such as 077; default: 002")
  ),
  keep: Flag.String("keep").pipe(
    Flag.withMetavar("TIME"),
    Flag.withSchema(Span),
    Flag.optional,
    Flag.withDescription(
      "How long files that are not complete wait for their sender to go on, since something of them came; default: 14d"
    )
  ),
  silence: Flag.String("silence").pipe(
    Flag.withMetavar("TIME"),
    Flag.withSchema(Span),
    Flag.optional,
    Flag.withDescription("How long a sender of files may send nothing before it is broken off; default: 30m")
  )
}
