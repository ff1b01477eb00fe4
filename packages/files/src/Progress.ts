/**
 * How far a transfer is.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import type { FileError } from "./TransferError.ts"

/**
 * How far the transfer with one peer is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Progress {
  readonly peer: string
  /**
   * `Waiting`: the peer has not decided yet. `Running`: files go over. `Away`: the peer is not there, and is waited for. `Done`: nothing more comes.
   */
  readonly state: "Waiting" | "Running" | "Away" | "Done"
  /** Files that have arrived, with those that were there already. */
  readonly files: number
  readonly totalFiles: number
  /** Their bytes, and those of the file that is arriving. */
  readonly bytes: number
  readonly totalBytes: number
  /** Bytes a second, over the last seconds; what was there already does not count. */
  readonly rate: number
  /** How long the rest takes at that rate; `undefined` where there is none to say. */
  readonly timeLeft: Duration.Duration | undefined
}

/**
 * What came of a transfer with one peer.
 *
 * @category models
 * @since 0.2.0
 */
export interface Summary {
  readonly peer: string
  /** Files that are there now. */
  readonly files: number
  readonly bytes: number
  /** Of these, files that were there already, and were not sent. */
  readonly hadFiles: number
  readonly hadBytes: number
  /** Files, folders and links that did not arrive. */
  readonly failed: number
  /** Why, of the first hundred of them. */
  readonly problems: ReadonlyArray<FileError>
}

/**
 * How much of a transfer is done, from 0 to 1: by bytes, and by files where there are no bytes.
 *
 * @category getters
 * @since 0.2.0
 */
export const fraction = ({ bytes, files, state, totalBytes, totalFiles }: Progress): number => {
  if (state === "Done") return 1
  const share = totalBytes > 0 ? bytes / totalBytes : totalFiles > 0 ? files / totalFiles : 0
  return Math.min(1, share)
}
