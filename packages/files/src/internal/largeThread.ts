/**
 * What a thread does that reads or writes a large file: everything with the system's calls that wait, one after another, since nobody else waits for it.
 * It is started from the text of this class, so there is nothing in it of what is around it.
 *
 * What is written, and what is read back of it, goes past the system's cache where the system has that: it is less to do, what others have in the cache
 * stays there, and what is read back is what the disk has. Such reading and writing is of whole blocks, from and to memory that begins where a block may;
 * whatever is not, or is refused, goes by the cache.
 */

/** What a thread is asked for. One file at a time: `open` comes first, and `close` last. */
export type Question =
  | {
    readonly kind: "open"
    readonly path: string
    /** Which file it has to be. */
    readonly dev: bigint
    readonly ino: bigint
    readonly write: boolean
    /** Whether it is written past the cache, where that can be. */
    readonly direct: boolean
    readonly follow: boolean
  }
  /** Writes so many bytes of the room, from where they are in it, to a place in the file, reads them back there, and hashes what was read. */
  | {
    readonly kind: "put"
    readonly from: number
    readonly length: number
    readonly at: number
    /** Whether it goes by the cache, as all that comes behind it. */
    readonly cached: boolean
  }
  /** Reads so many bytes from a place, and hashes them where all before them are hashed. The buffer comes back. */
  | { readonly kind: "get"; readonly bytes: Uint8Array; readonly length: number; readonly at: number }
  /** Hashes what is there. */
  | { readonly kind: "take"; readonly from: number; readonly to: number }
  | { readonly kind: "digest" }
  | { readonly kind: "close" }

/** What it answers. */
export interface Answer {
  /** The name of the system's error. Once there is one, nothing more is done with the file. */
  readonly code: string | undefined
  /** How many bytes were read. */
  readonly length: number
  /** Whether it goes past the cache. */
  readonly direct: boolean
  readonly bytes: Uint8Array | undefined
  /** Of a file that is written: the room for what is to be, which both have. It is the same for all files. */
  readonly room: Uint8Array | undefined
  readonly digest: Uint8Array | undefined
}

interface Sync {
  readonly constants: Readonly<Record<string, number>>
  readonly openSync: (path: string, flags: number) => number
  readonly fstatSync: (file: number, exact: { readonly bigint: true }) => { readonly dev: bigint; readonly ino: bigint }
  readonly closeSync: (file: number) => void
  readonly readSync: (file: number, into: Uint8Array, offset: number, length: number, at: number) => number
  readonly writeSync: (file: number, bytes: Uint8Array, offset: number, length: number, at: number) => number
}

/** What the class below has of its thread. */
export interface Here {
  readonly fs: Sync
  readonly hash: () => { update(bytes: Uint8Array): unknown; digest(): Uint8Array }
  /** Memory that begins where a block may: the thread's own, or shared. */
  readonly memory: (length: number, shared: boolean) => Uint8Array
  /** Whether files can be written past the cache here. */
  readonly canDirect: boolean
  /** Bytes of a piece that is written, and for how many there is room. */
  readonly pieceLength: number
  readonly pieces: number
}

/** Bytes of a piece that is written, and how many there is room for. */
export const pieceLength = 1_048_576
export const pieces = 4

type Of<Kind extends Question["kind"]> = Extract<Question, { readonly kind: Kind }>

interface Done {
  readonly length?: number
  readonly digest?: Uint8Array
}

/** The file of a thread. */
export class LargeFile {
  readonly #here: Here
  readonly #block = 4_096
  #plain: number | undefined
  #direct: number | undefined
  #hasher: ReturnType<Here["hash"]>
  #hashed = 0
  #fault: string | undefined
  #room: Uint8Array | undefined
  /** Where it is read back into: what is in the room stays in the cache of the processor that writes there. */
  #back: Uint8Array | undefined
  constructor(here: Here) {
    this.#here = here
    this.#hasher = here.hash()
  }

  answer(question: Question): Answer {
    const bytes = "bytes" in question ? question.bytes : undefined
    let done: Done = {}
    if (this.#fault === undefined || question.kind === "open" || question.kind === "close") {
      try {
        done = this.#work(question)
      } catch (error) {
        this.#fault = this.#codeOf(error)
      }
    }
    return {
      code: this.#fault,
      length: done.length ?? 0,
      direct: this.#direct !== undefined,
      bytes,
      room: question.kind === "open" && question.write ? this.#room : undefined,
      digest: done.digest
    }
  }

  #work(question: Question): Done {
    switch (question.kind) {
      case "open":
        this.#open(question)
        return {}
      case "put":
        if (question.cached) this.#cache()
        this.#put(question)
        return {}
      case "get":
        return { length: this.#get(question) }
      case "take":
        return { length: this.#take(question) }
      case "digest":
        return { digest: new Uint8Array(this.#hasher.digest()) }
      case "close":
        this.#cache()
        this.#close(this.#plain)
        this.#plain = undefined
        return {}
    }
  }

  #codeOf(error: unknown): string {
    return (error as { readonly code?: string }).code ?? String(error)
  }

  #flag(name: string): number {
    return this.#here.fs.constants[name] ?? 0
  }

  #close(file: number | undefined): void {
    if (file !== undefined) this.#here.fs.closeSync(file)
  }

  /** Goes by the cache from now on. */
  #cache(): void {
    this.#close(this.#direct)
    this.#direct = undefined
  }

  /** Past the cache where it is to be so and the places allow it, and otherwise by it. */
  #past<A>(fits: boolean, work: (file: number) => A): A {
    if (this.#direct === undefined || !fits) return work(this.#plain!)
    try {
      return work(this.#direct)
    } catch (error) {
      if (this.#codeOf(error) !== "EINVAL") throw error
      this.#cache()
      return work(this.#plain!)
    }
  }

  /** Of what is read, more is overwritten behind it: up to the end of a block. */
  #fill(into: Uint8Array, length: number, at: number): number {
    let done = 0
    while (done < length) {
      const isWhole = done % this.#block === 0 && at % this.#block === 0
      const most = isWhole
        ? Math.min(into.length, Math.ceil(length / this.#block) * this.#block) - done
        : length - done
      const some = this.#past(isWhole, (file) => this.#here.fs.readSync(file, into, done, most, at + done))
      if (some === 0) break
      done += some
    }
    return Math.min(done, length)
  }

  #opened({ dev, ino, path }: Of<"open">, flags: number): number {
    const { fs } = this.#here
    const file = fs.openSync(path, flags)
    const info = fs.fstatSync(file, { bigint: true })
    if (info.dev === dev && info.ino === ino) return file
    fs.closeSync(file)
    throw Object.assign(new Error("another file"), { code: "ENOENT" })
  }

  #open(question: Of<"open">): void {
    const { canDirect, hash, memory, pieceLength, pieces } = this.#here
    const { direct, follow, write } = question
    const how = this.#flag(write ? "O_RDWR" : "O_RDONLY") | this.#flag("O_NONBLOCK") |
      (follow ? 0 : this.#flag("O_NOFOLLOW"))
    this.#hasher = hash()
    this.#hashed = 0
    this.#fault = undefined
    this.#plain = this.#opened(question, how)
    if (write) {
      this.#room ??= memory(pieceLength * pieces, true)
      this.#back ??= memory(pieceLength, false)
    }
    if (!direct || !canDirect) return
    try {
      this.#direct = this.#opened(question, how | this.#flag("O_DIRECT"))
    } catch { /* Not every file system has it. */ }
  }

  #put({ at, from, length }: Of<"put">): void {
    const part = this.#room!.subarray(from, from + length)
    for (let done = 0; done < length;) {
      const fits = [at + done, from + done, length].every((place) => place % this.#block === 0)
      done += this.#past(fits, (file) => this.#here.fs.writeSync(file, part, done, length - done, at + done))
    }
    // What is on the disk, and not what was to be written.
    const back = this.#back!
    this.#hasher.update(back.subarray(0, this.#fill(back, length, at)))
  }

  #get({ at, bytes, length }: Of<"get">): number {
    const there = this.#fill(bytes, length, at)
    if (at === this.#hashed) {
      this.#hasher.update(bytes.subarray(0, there))
      this.#hashed += there
    }
    return there
  }

  #take({ from, to }: Of<"take">): number {
    const into = this.#back!
    for (let at = from; at < to;) {
      const length = Math.min(into.length, to - at)
      const there = this.#fill(into, length, at)
      this.#hasher.update(into.subarray(0, there))
      at += there
      if (there < length) return at - from
    }
    return to - from
  }
}
