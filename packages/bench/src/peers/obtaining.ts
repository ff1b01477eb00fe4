/** What the programs of other libraries need, as far as it can be had here. */
import * as Effect from "effect/Effect"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Broker from "./broker.ts"
import * as Installing from "./installing.ts"

/** What a subject needs. */
export interface Needs {
  /** The program in `peers/programs` that it is, which needs what is installed on demand. */
  readonly program?: string
  /** Whether it needs a NATS server. */
  readonly broker?: boolean
}

/** A port that nobody uses. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** The line of a reason that is said. */
export const oneLine = (detail: string): string => detail.split("\n")[0]!.trim()

/** Gets what any of some subjects needs, and says of each the file of its program, or why it cannot be had. */
export const obtain = (all: ReadonlyArray<Needs>, into: string) =>
  Effect.gen(function*() {
    const nothing = { reason: "nothing is needed" }
    const installed = all.some(({ program }) => program !== undefined) ? yield* Installing.install(into) : nothing
    const broker = all.some(({ broker }) => broker === true) && "folder" in installed
      ? yield* Broker.start(into, yield* freePort)
      : nothing
    return {
      broker: "pid" in broker ? broker : undefined,
      of: (
        { broker: needsBroker, program }: Needs
      ): { readonly file: string | undefined } | { readonly reason: string } => {
        if (program === undefined) return { file: undefined }
        if ("reason" in installed) return { reason: oneLine(installed.reason) }
        if (needsBroker === true && "reason" in broker) return { reason: oneLine(broker.reason) }
        return { file: join(installed.folder, program) }
      }
    }
  })
