/**
 * Sends files and folders to peers, and receives them, beside any CommandNode or AdvancedNode. A sender offers; the receiver decides, and pulls what it has
 * not. What is on its disk is checked against the sender's hash, and has its name when it is whole. What is broken off, on either side and anywhere, goes
 * on where it was: by itself when the peer is back, or when the same is sent again.
 *
 * ```ts
 * const Files = FileTransfer.layer({ receive: { folder: "inbox", accept: { names: ["alice"] } } })
 *
 * const files = yield* FileTransfer.FileTransfer
 * const summary = yield* files.send("bob", ["photos", "notes.txt"])
 * yield* Stream.runForEach(files.offers, (offer) => offer.accept)      // where `accept` is "ask", as it is by default
 * ```
 *
 * The functions `pnet.files.offer`, `pnet.files.list` and `pnet.files.read` are what it serves: a trust policy that grants functions one by one has to grant
 * both sides `pnet.files.*`.
 *
 * What bites: offers that nobody looks at wait for ten minutes and are declined. A file is sent as it is when it is read, and one that somebody writes to
 * meanwhile is begun anew. Of links, owners and times, links may be kept, owners are not, and times are whole milliseconds.
 *
 * @since 0.2.0
 */
import { AdvancedNode } from "@pnet/core/AdvancedNode"
import type * as Allow from "@pnet/core/Allow"
import type { DuplicateFunctionError, NodeClosedError } from "@pnet/core/FunctionError"
import type { Exits } from "@pnet/core/Outcomes"
import type * as Peers from "@pnet/core/Peers"
import * as Rights from "@pnet/core/Rights"
import * as Trust from "@pnet/core/Trust"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { FileBatches } from "./FileBatches.ts"
import { FileHash } from "./FileHash.ts"
import type { FileOffer, IncomingOffer, Receiving } from "./FileOffer.ts"
import * as Folders from "./internal/folders.ts"
import * as Offering_ from "./internal/offering.ts"
import * as Receiving_ from "./internal/receiving.ts"
import { LargeFiles } from "./LargeFiles.ts"
import type { Progress, Summary } from "./Progress.ts"
import { type FileError, FolderError, type SourceError } from "./TransferError.ts"

/**
 * Why nothing, or not all, was sent to a peer. Of single files that did not arrive the `Summary` says so.
 *
 * @category errors
 * @since 0.2.0
 */
export type SendError = Offering_.SendError

/**
 * How files are sent.
 *
 * @category models
 * @since 0.2.0
 */
export interface SendOptions {
  /**
   * What becomes of symbolic links: sent as links (`keep`), as what they lead to (`follow`), or not at all (`skip`). A path that is given and is a link is
   * followed. Default: `keep`.
   */
  readonly links?: "keep" | "follow" | "skip" | undefined
  /** Something to say about it, shown to who decides; at most 1,000 characters. */
  readonly note?: string | undefined
  /**
   * How long a peer that was lost in the midst is waited for, since it was last there. A peer that is not there at first is not waited for. Default: 10
   * minutes; 0 gives it up at once.
   */
  readonly patience?: Duration.Input | undefined
}

/**
 * Files that are offered, until the scope closes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Offering {
  /** The names at the top. */
  readonly names: ReadonlyArray<string>
  readonly files: number
  readonly bytes: number
  /** What could not be read, and is not offered: the first hundred, and how many there are. */
  readonly problems: ReadonlyArray<FileError>
  readonly skipped: number
  /** Those it is offered to. */
  readonly peers: ReadonlyArray<string>
  /** How far it is with each of them: the newest state, whenever it is another. A slow reader skips states. Ends when nothing more comes. */
  readonly progress: Stream.Stream<ReadonlyArray<Progress>>
  /** What comes of it with each, when the last one is done. */
  readonly outcome: Effect.Effect<Exits<Summary, SendError>>
}

/**
 * Who may send without somebody being asked: everyone whom the trust policy lets offer (`"all"`), nobody (`"ask"`), or those that are listed by name, key or
 * role, or that a predicate takes.
 *
 * @category models
 * @since 0.2.0
 */
export type Accept =
  | "all"
  | "ask"
  | (Allow.Listed & { readonly keys?: ReadonlyArray<string> | undefined })
  | ((offer: FileOffer) => boolean | Effect.Effect<boolean>)

/**
 * How files are received.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReceiveOptions {
  /** Where they arrive. It is made where it is not there. What is not whole yet is in `.pnet-partial` in it. */
  readonly folder: string
  /** Who may send without somebody being asked. Default: nobody, `"ask"`. */
  readonly accept?: Accept | undefined
  /** What becomes of the offers of others: asked about in `offers`, or declined. Default: `ask`. */
  readonly otherwise?: "ask" | "decline" | undefined
  /** Whether each peer has a folder of its own in it, by its name. Default: no. */
  readonly perPeer?: boolean | undefined
  /** How long an offer waits for a decision. Default: 10 minutes. */
  readonly decideWithin?: Duration.Input | undefined
  /** How long what has arrived of a transfer that is not complete is kept, since something of it was last written. Default: 14 days. */
  readonly keepPartial?: Duration.Input | undefined
  /**
   * How long a sender may send nothing of what it was asked for before the transfer is broken off, to go on when it offers it again. It is silent while it
   * reads what it does not have to send. Default: 30 minutes.
   */
  readonly silence?: Duration.Input | undefined
  /** Bytes that are taken of one transfer. Default: any number. */
  readonly maxBytes?: number | undefined
  /** Files that are taken in one transfer. Default: as many as `limits.entries`. */
  readonly maxFiles?: number | undefined
  /** Bytes of the largest file that is taken; larger ones are left out. Default: any number. */
  readonly maxFileBytes?: number | undefined
  /**
   * What becomes of a file whose name is taken by another: it gets a name beside it, `a (1).txt` (`rename`); it takes its place (`overwrite`); or it is not
   * fetched (`skip`). Folders of the same name become one. Default: `rename`.
   */
  readonly collisions?: "rename" | "overwrite" | "skip" | undefined
  /** Symbolic links: made where they lead to something within what is received (`inside`), or not at all. Default: `inside`. */
  readonly links?: "inside" | "skip" | undefined
  /** Whether files and folders get the sender's permission bits, less `umask`; never set-user-id and the like. Default: yes. */
  readonly modes?: boolean | undefined
  /** Permissions that nothing gets, whatever the sender says, as a umask has them. Default: `0o002`, so that what arrives is not everybody's to write. */
  readonly umask?: number | undefined
  /** Whether what has arrived is synced to the disk before it has its name. Default: yes. */
  readonly durable?: boolean | undefined
  /** Which names are refused: those of this system, or everywhere those that Windows has not. Default: this system's. */
  readonly names?: "system" | "portable" | undefined
}

/**
 * What transfers may take of this node.
 *
 * @category models
 * @since 0.2.0
 */
export interface Limits {
  /** Files, folders and links of one transfer, with the ends of folders; some 60 bytes of memory each at the sender. Default: 1,000,000. */
  readonly entries: number
  /** Folders in one another. Default: 64. */
  readonly depth: number
  /** Offers that wait for a decision; four of one peer. Default: 64. */
  readonly waiting: number
  /** Transfers that arrive at once, a quarter of them of one peer; others wait. Each takes some megabytes. Default: 16. */
  readonly transfers: number
  /** Bytes of files that are kept, for each transfer to several peers, for those who pull them a little later. Default: 16 MiB. */
  readonly shared: number
}

/**
 * How a node sends and receives files.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** How files are received. Without it none are: offers fail at their sender with a `NotReceivingError`. */
  readonly receive?: ReceiveOptions | undefined
  readonly limits?: Partial<Limits> | undefined
}

/**
 * Sends files, and receives them.
 *
 * @category services
 * @since 0.2.0
 */
export class FileTransfer extends Context.Service<FileTransfer, {
  /**
   * Sends files and folders to one peer, and waits until it has them. Each arrives under the last name of its path. A summary whose `failed` is not 0 says
   * which did not. Interrupting it takes the offer back.
   */
  readonly send: (
    peer: string,
    paths: ReadonlyArray<string>,
    options?: SendOptions
  ) => Effect.Effect<Summary, SendError>
  /** The same to several peers, with `"*"` to every one that is known now: what comes of each, by its name. The files are read once for those who keep pace. */
  readonly sendAll: (
    target: Peers.Target,
    paths: ReadonlyArray<string>,
    options?: SendOptions
  ) => Effect.Effect<Exits<Summary, SendError>, SourceError | ResolveError>
  /** Offers files and folders until the scope closes, for who wants to see how far it is meanwhile. */
  readonly offer: (
    target: Peers.Target,
    paths: ReadonlyArray<string>,
    options?: SendOptions
  ) => Effect.Effect<Offering, SourceError | ResolveError, Scope.Scope>
  /** Offers that wait for a decision, those there are and those that come. Never ends. */
  readonly offers: Stream.Stream<IncomingOffer>
  /** Transfers that arrive here, from now on, those that go on again among them. Never ends. */
  readonly transfers: Stream.Stream<Receiving>
}>()("@pnet/files/FileTransfer") {}

/**
 * It is not clear whom it is for.
 *
 * @category errors
 * @since 0.2.0
 */
export type ResolveError = Peers.PeerUnknownError | Peers.NameConflictError | NodeClosedError

const defaults: Limits = { entries: 1_000_000, depth: 64, waiting: 64, transfers: 16, shared: 16 * 1_048_576 }

/** Whether somebody may send without being asked about. */
const isTaken = (
  accept: Exclude<Accept, string>,
  offer: FileOffer,
  trust: Option.Option<Trust.Trust["Service"]>
): Effect.Effect<boolean> => {
  const { name, publicKey } = offer.from
  if (typeof accept === "function") {
    return Effect.suspend((): Effect.Effect<boolean> => {
      const given = accept(offer)
      return Effect.isEffect(given) ? given : Effect.succeed(given)
    })
  }
  const { keys, names, roles } = accept
  if (names?.includes(name) === true || keys?.includes(publicKey) === true) return Effect.succeed(true)
  if (Option.isNone(trust) || roles === undefined) return Effect.succeed(false)
  return Effect.map(
    Trust.rightsOf(trust.value, name, publicKey),
    (rights) => roles.some((role) => Rights.allows(rights.roles, role))
  )
}

/** What becomes of an offer. */
const verdictOf =
  ({ accept = "ask", otherwise = "ask" }: ReceiveOptions, trust: Option.Option<Trust.Trust["Service"]>) =>
  (offer: FileOffer): Effect.Effect<Receiving_.Verdict> =>
    accept === "all" || accept === "ask"
      ? Effect.succeed(accept === "all" ? "accept" : "ask")
      // What breaks is no yes.
      : Effect.map(
        Effect.catchCause(isTaken(accept, offer, trust), () => Effect.succeed(false)),
        (is) => is === true ? "accept" : otherwise
      )

const receiverOf = (
  receive: ReceiveOptions,
  limits: Limits,
  node: AdvancedNode["Service"]
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const trust = yield* Effect.serviceOption(Trust.Trust)
    const folder = yield* Effect.andThen(
      Folders.ensure(fs, paths, receive.folder),
      fs.realPath(receive.folder)
    ).pipe(Effect.mapError((error) => new FolderError({ folder: receive.folder, detail: error.message })))
    const receiver = yield* Receiving_.make({
      node,
      fs,
      paths,
      hash: yield* FileHash,
      batches: yield* FileBatches,
      large: yield* LargeFiles,
      folder,
      perPeer: receive.perPeer ?? false,
      verdict: verdictOf(receive, trust),
      decideWithin: Duration.fromInputUnsafe(receive.decideWithin ?? "10 minutes"),
      keep: Duration.fromInputUnsafe(receive.keepPartial ?? "14 days"),
      silence: Duration.fromInputUnsafe(receive.silence ?? "30 minutes"),
      bytes: receive.maxBytes ?? Number.MAX_SAFE_INTEGER,
      files: receive.maxFiles ?? limits.entries,
      fileSize: receive.maxFileBytes ?? Number.MAX_SAFE_INTEGER,
      collisions: receive.collisions ?? "rename",
      links: receive.links ?? "inside",
      modes: receive.modes ?? true,
      umask: receive.umask ?? 0o002,
      durable: receive.durable ?? true,
      rules: receive.names === "portable" || paths.sep === "\\" ? "windows" : "posix",
      limits
    })
    yield* node.register(Receiving_.functions.offer, (call) => receiver.handle(call))
    return receiver
  })

/** What offers files. */
const senderOf = (limits: Limits, node: AdvancedNode["Service"]) =>
  Effect.gen(function*() {
    const options: Offering_.Options = {
      node,
      fs: yield* FileSystem.FileSystem,
      paths: yield* Path.Path,
      hash: yield* FileHash,
      batches: yield* FileBatches,
      large: yield* LargeFiles,
      limits
    }
    const offerings = new Offering_.Offerings()
    yield* node.register(Receiving_.functions.list, (call) => offerings.list(call))
    yield* node.register(Receiving_.functions.read, (call) => offerings.read(call))

    const made = (names: ReadonlyArray<string>, paths: ReadonlyArray<string>, given: SendOptions = {}) =>
      Effect.acquireRelease(
        Effect.tap(
          Effect.interruptible(Offering_.make(
            options,
            {
              links: given.links ?? "keep",
              note: (given.note ?? "").slice(0, 1_000),
              patience: Duration.fromInputUnsafe(given.patience ?? "10 minutes")
            },
            paths,
            names
          )),
          (offering) => Effect.sync(() => offerings.add(offering))
        ),
        (offering) => Effect.sync(() => offerings.delete(offering))
      )
    const offer: FileTransfer["Service"]["offer"] = (target, paths, given) =>
      Effect.gen(function*() {
        const names = (yield* node.peers.resolve(target)).map(({ name }) => name)
        const offering = yield* made(names, paths, given)
        const { head, scanned } = offering.current
        const fibers = yield* Effect.forEach(names, (name) => Effect.forkScoped(offering.deliver(name)))
        const progress = Stream.takeUntil(
          SubscriptionRef.changes(offering.progress),
          (all) => all.every(({ state }) => state === "Done")
        )
        return {
          names: head.names,
          files: head.files,
          bytes: head.bytes,
          problems: scanned.problems,
          skipped: scanned.skipped,
          peers: names,
          progress,
          outcome: Effect.map(Effect.forEach(fibers, Fiber.await), (exits) => byName(names, exits))
        }
      })
    const send: FileTransfer["Service"]["send"] = (peer, paths, given) =>
      Effect.scoped(Effect.flatMap(made([peer], paths, given), (offering) => offering.deliver(peer)))
    const sendAll: FileTransfer["Service"]["sendAll"] = (target, paths, given) =>
      Effect.scoped(Effect.flatMap(offer(target, paths, given), ({ outcome }) => outcome))
    return { offer, send, sendAll }
  })

/** By their names, without a prototype, since peers choose those. */
const byName = (
  names: ReadonlyArray<string>,
  exits: ReadonlyArray<Exit.Exit<Summary, SendError>>
): Exits<Summary, SendError> => {
  const record: Record<string, Exit.Exit<Summary, SendError>> = Object.create(null)
  names.forEach((name, index) => {
    record[name] = exits[index]!
  })
  return record
}

/**
 * Sends and receives files beside the node of the program.
 *
 * ```ts
 * const program = FileTransfer.layer({ receive: { folder: "inbox" } }).pipe(
 *   Layer.provideMerge(CommandNode.layer({ name: "bob", networkId: "home" })),
 *   Layer.provide(NodePnet.layer)
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  FileTransfer,
  DuplicateFunctionError | FolderError,
  AdvancedNode | FileSystem.FileSystem | Path.Path
> =>
  Layer.effect(
    FileTransfer,
    Effect.gen(function*() {
      const node = yield* AdvancedNode
      const limits = { ...defaults, ...options.limits }
      const sender = yield* senderOf(limits, node)
      const receiver = options.receive === undefined ? undefined : yield* receiverOf(options.receive, limits, node)
      return FileTransfer.of({
        ...sender,
        offers: receiver?.offers ?? Stream.never,
        transfers: receiver?.transfers ?? Stream.never
      })
    })
  )
