/**
 * Files beside the node of a command, and what is said of transfers.
 */
import { AdvancedNode } from "@pnet/core/AdvancedNode"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as PublicKey from "@pnet/core/PublicKey"
import type { FileOffer } from "@pnet/files/FileOffer"
import * as FileTransfer from "@pnet/files/FileTransfer"
import type { Progress, Summary } from "@pnet/files/Progress"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { landing } from "../commands/landing.ts"
import type { receive } from "../commands/receive.ts"
import type { Shape } from "../output/shapes.ts"
import { sizeOf } from "../output/units.ts"
import type { Input } from "../spec.ts"
import { NodeParts } from "./NodeParts.ts"

/** Sends and receives beside a node, until the scope closes. */
export const beside = (node: CommandNodeService, options: FileTransfer.Options = {}) =>
  Effect.flatMap(NodeParts, (parts) =>
    FileTransfer.layer(options).pipe(
      Layer.provide([Layer.succeed(AdvancedNode, node.streams), parts.files]),
      Layer.build,
      Effect.map((context) => Context.get(context, FileTransfer.FileTransfer))
    ))

/** What the flags say of files that arrive. */
export const landingOf = (
  { collisions, keep, maxBytes, silence, umask }: Pick<Input<typeof receive>, keyof typeof landing>
) => ({
  collisions: Option.getOrUndefined(collisions),
  maxBytes: Option.getOrUndefined(maxBytes),
  umask: Option.getOrUndefined(umask),
  keepPartial: Option.getOrUndefined(keep),
  silence: Option.getOrUndefined(silence)
})

/** What came of a transfer, as it is printed. */
export const transferOf = (
  direction: "sent" | "received",
  { bytes, failed, files, hadBytes, hadFiles, peer, problems }: Summary,
  ms: number
): Shape<"transfer"> => ({
  peer,
  direction,
  files,
  bytes,
  hadFiles,
  hadBytes,
  failed,
  problems: problems.map(({ detail, kind, path }) => ({ path, kind, detail })),
  ms
})

/** An offer, as it is printed. */
export const offerOf = ({ bytes, files, folders, from, links, names, note }: FileOffer): Shape<"offer"> => ({
  peer: from.name,
  fingerprint: PublicKey.fingerprint(from.publicKey),
  names,
  files,
  folders,
  links,
  bytes,
  ...(note === "" ? {} : { note })
})

/** What `up` says of files that have arrived, or not. */
export const receivedText = (peer: string, result: Result.Result<Summary, { readonly message: string }>) => {
  if (Result.isFailure(result)) return { reason: "failed", text: `files of ${peer}: ${result.failure.message}` }
  const { bytes, failed, files, hadFiles } = result.success
  const what = `${files} ${files === 1 ? "file" : "files"} of ${peer}, ${sizeOf(bytes)}`
  const had = hadFiles === 0 ? "" : `, of which ${hadFiles} ${hadFiles === 1 ? "was" : "were"} there`
  return failed === 0
    ? { reason: "ok", text: `${what}, arrived${had}` }
    : { reason: "failed", text: `${what}, arrived${had}, and ${failed} did not` }
}

const lasting = (left: Duration.Duration): string => {
  const seconds = Math.ceil(Duration.toSeconds(left))
  return seconds < 60
    ? `${seconds} s`
    : seconds < 3_600
    ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`
    : `${Math.floor(seconds / 3_600)}:${String(Math.floor(seconds % 3_600 / 60)).padStart(2, "0")} h`
}

/** How far it is, in a line. */
export const progressText = (
  { bytes, files, peer, rate, state, timeLeft, totalBytes, totalFiles }: Progress
): string => {
  if (state === "Waiting") return `${peer} is asked`
  if (state === "Away") return `${peer} is away, and waited for`
  const speed = rate > 0 ? `, ${sizeOf(rate)}/s` : ""
  const left = timeLeft === undefined ? "" : `, ${lasting(timeLeft)} left`
  return `${peer}: ${files} of ${totalFiles} files, ${sizeOf(bytes)} of ${sizeOf(totalBytes)}${speed}${left}`
}
