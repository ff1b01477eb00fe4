/** Small parts that views are made of. Whatever others wrote goes through `Said`, which shows it as text. */
import type { Peer, Who } from "@pnet/console/ConsoleApi"
import type { ComponentChildren, JSX } from "preact"
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import type { Failure } from "../api/link.ts"
import { pictureOf } from "../graph/picture.ts"
import { type View, write } from "../route.ts"
import { statusOf } from "../store/network.ts"
import { now, spoken } from "../store/state.ts"
import { clock, count, lasting, longest, plain, shown } from "../text.ts"
import * as Icon from "./icons.tsx"

// --- text of others --------------------------------------------------------------------------------------------------------------

/** Text that others wrote: it stands by itself, whatever its direction, and characters that are not to be seen are shown. */
export const Said = ({ class: name, lines, most, text }: {
  readonly text: string
  readonly most?: number
  readonly lines?: boolean
  readonly class?: string
}) => {
  const { left, pieces } = useMemo(() => shown(text, most ?? longest, lines), [text, most, lines])
  return (
    <bdi class={name}>
      {pieces.map((piece, i) =>
        typeof piece === "string" ? piece : <span class="control" key={i}>{piece.control}</span>
      )}
      {left > 0 && <span class="left-out" title={`${count(left)} more characters`}>… +{count(left)}</span>}
    </bdi>
  )
}

/** A name on one line, as wide as there is room. */
export const Name = ({ most = 64, text }: { readonly text: string; readonly most?: number }) => (
  <span class="name" title={plain(text)}>
    {text === "" ? <span class="faint">(no name)</span> : <Said text={text} most={most} />}
  </span>
)

export const Print = ({ of }: { readonly of: string }) => <span class="print">{plain(of, 32)}</span>

// --- peers -----------------------------------------------------------------------------------------------------------------------

/** The picture of a key. */
export const Picture = ({ of, size = 24 }: { readonly of: string; readonly size?: number }) => {
  return useMemo(() => {
    const { hues, rows } = pictureOf(of)
    const colours = ["", `hsl(${hues[0]} 55% 52%)`, `hsl(${hues[1]} 60% 56%)`, `hsl(${hues[0]} 30% 38%)`]
    const path = (colour: number) =>
      rows.flatMap((row, y) => row.map((cell, x) => cell === colour ? `M${x + 1} ${y + 1}h1v1h-1z` : "")).join("")
    return (
      <svg class="picture" width={size} height={size} viewBox="0 0 9 9" shape-rendering="crispEdges" aria-hidden="true">
        {[1, 2, 3].map((colour) => <path key={colour} d={path(colour)} fill={colours[colour]} />)}
      </svg>
    )
  }, [of, size])
}

/** The words of a key, in their order. */
export const Words = ({ of }: { readonly of: ReadonlyArray<string> }) => (
  <ol class="words" aria-label="The key in words">{of.map((word, i) => <li key={i}>{plain(word, 24)}</li>)}</ol>
)

const statusWords = {
  online: ["good", "Online"],
  suspect: ["warn", "Not answering"],
  draining: ["note", "Leaving"],
  unproved: ["hollow", "Unproved"]
} as const

/** How a peer is, in a colour and a word. */
export const Status = ({ peer }: { readonly peer: Peer }) => {
  const [colour, word] = statusWords[statusOf(peer)]
  return (
    <span class="status">
      <span class={`dot ${colour}`} />
      {word}
    </span>
  )
}

const trustWords: Readonly<Record<Peer["trust"], readonly [colour: string, word: string, meaning: string]>> = {
  pinned: [
    "good",
    "Pinned",
    "Its name belongs to this key: somebody decided so, or this node has reached it by that name."
  ],
  listed: ["good", "Listed", "The allow list, or a certificate of the authority, gives its name to this key."],
  connected: [
    "",
    "Connected",
    "It connected by itself, and was the first of its name: that is this key's for now, which nobody has asked for or compared."
  ],
  unknown: ["", "Unknown", "Nothing is known of this key yet."],
  other: ["bad", "Another key", "Its name belongs to another key."],
  revoked: ["bad", "Revoked", "This key was revoked: nobody may be it any more."]
}
export const trustMeaning = (trust: Peer["trust"]): string => trustWords[trust][2]

/** How far a peer is trusted. */
export const Trust = ({ of }: { readonly of: Peer["trust"] }) => (
  <span class={`badge ${trustWords[of][0]}`} title={trustWords[of][2]}>{trustWords[of][1]}</span>
)

export const peerLink = (key: string): string => write("peers", key)

export const Person = ({ size, who }: { readonly who: Who; readonly size?: number }) => (
  <span class="person">
    <Picture of={who.key} size={size ?? 28} />
    <span class="person-text">
      <Name text={who.name} />
      <Print of={who.fingerprint} />
    </span>
  </span>
)

// --- time ------------------------------------------------------------------------------------------------------------------------

/** How long ago something was, which goes on. */
export const Since = ({ at }: { readonly at: number }) => (
  <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>{lasting(now.value - at)}</time>
)

export const Clock = ({ at }: { readonly at: number }) => (
  <time class="nowrap" dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>{clock(at)}</time>
)

// --- things to do ----------------------------------------------------------------------------------------------------------------

const toClipboard = (text: string): Promise<void> =>
  navigator.clipboard === undefined
    ? Promise.reject(new Error("there is no clipboard"))
    : navigator.clipboard.writeText(text)

/** Copies a text. */
export const Copy = ({ class: name = "", label, not, text }: {
  readonly text: string
  readonly label: string
  readonly class?: string
  /** Why it is not to be copied. */
  readonly not?: string | undefined
}) => {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1_500)
    return () => clearTimeout(timer)
  }, [done])
  const copy = () =>
    void toClipboard(text).then(() => {
      setDone(true)
      spoken.value = `${label}: copied`
    }, () => void (spoken.value = "It could not be copied"))
  return (
    <button
      type="button"
      class={`button plain icon tiny copy ${name}`}
      disabled={not !== undefined}
      onClick={copy}
      aria-label={label}
      title={not ?? label}
    >
      {done ? <Icon.Check /> : <Icon.Copy />}
    </button>
  )
}

/** Text to copy. */
export const Code = ({ label, not, text }: {
  readonly text: string
  readonly label: string
  readonly not?: string | undefined
}) => (
  <div class="code">
    <bdi>{text}</bdi>
    <Copy text={text} label={label} not={not} />
  </div>
)

export const SearchBox = ({ label, onText, text }: {
  readonly text: string
  readonly onText: (text: string) => void
  readonly label: string
}) => (
  <div class="search">
    <Icon.Search />
    <input
      class="input"
      type="search"
      value={text}
      placeholder={label}
      aria-label={label}
      aria-keyshortcuts="/"
      data-search
      spellcheck={false}
      autocomplete="off"
      onInput={(event) => onText(event.currentTarget.value)}
    />
    <span class="key" aria-hidden="true">/</span>
  </div>
)

export interface Choice<A extends string> {
  readonly value: A
  readonly label: ComponentChildren
  readonly name?: string
}

/** One of a few. */
export const Segments = <A extends string>({ choices, icons, label, onChoose, value }: {
  readonly label: string
  readonly value: A
  readonly choices: ReadonlyArray<Choice<A>>
  readonly onChoose: (value: A) => void
  readonly icons?: boolean
}) => (
  <div class={`segments ${icons === true ? "icons" : ""}`} role="group" aria-label={label}>
    {choices.map((one) => (
      <button
        type="button"
        key={one.value}
        aria-pressed={one.value === value}
        aria-label={one.name}
        title={one.name}
        onClick={() => onChoose(one.value)}
      >
        {one.label}
      </button>
    ))}
  </div>
)

/** What there is instead, where there is nothing. */
export const Empty = ({ children, icon, title }: {
  readonly title: string
  readonly icon?: JSX.Element
  readonly children?: ComponentChildren
}) => (
  <div class="empty">
    {icon}
    <h2>{title}</h2>
    {children !== undefined && <p>{children}</p>}
  </div>
)

export const Failed = ({ failure }: { readonly failure: Failure }) => (
  <div class="failure" role="alert">
    <div class="failure-tag">
      <Said text={failure.tag} />
    </div>
    <div class="break">
      <Said text={failure.message} lines most={1_000} />
    </div>
    {failure.hint !== undefined && (
      <div class="failure-hint">
        <Said text={failure.hint} lines most={1_000} />
      </div>
    )}
  </div>
)

// --- dialogs ---------------------------------------------------------------------------------------------------------------------

/** A dialog above the page, as long as it is drawn. */
export const Dialog = ({ children, label, onClose }: {
  readonly label: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}) => {
  const ref = useRef<HTMLDialogElement>(null)
  // In the turn that draws it: a key that is pressed then is the dialog's.
  useLayoutEffect(() => {
    const dialog = ref.current
    dialog?.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => event.target === event.currentTarget && onClose()}
    >
      <div class="dialog-in">{children}</div>
    </dialog>
  )
}

// --- values ----------------------------------------------------------------------------------------------------------------------

const mostJson = 20_000

/** A value of JSON, in colours. */
export const Value = ({ compact, of }: { readonly of: unknown; readonly compact?: boolean }) =>
  useMemo(() => {
    const text = (compact === true
      ? JSON.stringify(of, undefined, 1)?.replace(/\n\s*/g, " ")
      : JSON.stringify(of, undefined, 2)) ?? "nothing"
    const part = text.slice(0, mostJson)
    const out: Array<JSX.Element | string> = []
    let from = 0
    for (
      const { 0: token, 1: text, 2: colon, 3: number, 4: word, index } of part.matchAll(
        /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g
      )
    ) {
      if (index > from) {
        out.push(part.slice(from, index))
      }
      const kind = text !== undefined
        ? colon !== undefined ? "k" : "s"
        : number !== undefined
        ? "n"
        : word !== undefined
        ? "c"
        : ""
      out.push(
        <span class={kind} key={index}>
          <Said text={token} most={5_000} />
        </span>
      )
      from = index + token.length
      if (out.length > 2_000) break
    }
    if (from < part.length) out.push(<Said text={part.slice(from)} lines most={mostJson} key="rest" />)
    return (
      <div class="json">
        {out}
        {text.length > mostJson && <span class="left-out">… +{count(text.length - mostJson)}</span>}
      </div>
    )
  }, [of, compact])

/** The way back to a list. */
export const viewBack = (view: View, label: string): JSX.Element => (
  <a class="back" href={write(view)}>
    <Icon.Back />
    {label}
  </a>
)
