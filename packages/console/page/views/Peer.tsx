/** All that is known of one peer, and what can be done about it. */
import type { Function, Peer, PeerPage } from "@pnet/console/ConsoleApi"
import { useMemo, useState } from "preact/hooks"
import { ask } from "../api/link.ts"
import { look } from "../go.ts"
import { wayWord } from "../graph/look.ts"
import { useAsked } from "../parts/asked.ts"
import {
  Copy,
  Dialog,
  Empty,
  Failed,
  Name,
  Picture,
  Print,
  Said,
  SearchBox,
  Since,
  Status,
  Trust,
  trustMeaning,
  viewBack,
  Words
} from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { write } from "../route.ts"
import { acts, byKey, conflicts, notify, route } from "../store/state.ts"
import { count, plain, several } from "../text.ts"
import { ConflictCard } from "./Conflict.tsx"

/** What was known of peers that were looked at: who comes back sees it at once. */
const before = new Map<string, PeerPage>()

export const PeerView = ({ of }: { readonly of: string }) => {
  const live = byKey.value.get(of)
  const asked = useAsked(
    `${of} ${live === undefined} ${live?.trust} ${live?.functionCount} ${live?.addresses.length}`,
    (client) => client.peer({ key: of })
  )
  if (asked.value !== undefined) before.set(of, asked.value)
  if (before.size > 50) before.delete(before.keys().next().value!)
  const page = asked.value ?? before.get(of)
  const peer = live ?? page?.peer
  if (peer === undefined) {
    return (
      <>
        {viewBack("peers", "Peers")}
        <div class="card">
          {asked.busy
            ? <Empty icon={<Icon.Network />} title="Looking for the peer" />
            : (
              <Empty icon={<Icon.Network />} title="There is no such peer">
                It has left, or was never seen by this node. Its key is <span class="mono break">{plain(of, 64)}</span>.
              </Empty>
            )}
        </div>
      </>
    )
  }
  const conflict = conflicts.value.find(({ name }) => name === peer.name)
  return (
    <>
      {viewBack("peers", "Peers")}
      <div class="view-head peer-head">
        <div class="peer-title">
          <Picture of={peer.key} size={52} />
          <div class="peer-title-text">
            <h1>
              <Name text={peer.name} most={80} />
            </h1>
            <p class="peer-line">
              {live === undefined
                ? (
                  <span class="status">
                    <span class="dot bad" />Gone
                  </span>
                )
                : <Status peer={live} />}
              <span class="faint">
                here for <Since at={peer.since} />
              </span>
            </p>
          </div>
        </div>
        <div class="view-tools">
          <a class="button" href={write("network", undefined, { peer: peer.key })}>On the map</a>
          <a class="button" href={write("calls", undefined, { peer: peer.name })}>Its calls</a>
        </div>
      </div>
      {conflict !== undefined && <ConflictCard of={conflict} />}
      <div class="peer-columns">
        <div class="stack">
          <Functions peer={peer} page={page} />
          <Topics page={page} />
        </div>
        <div class="stack">
          <KeyCard peer={peer} page={page} />
          <Reached peer={peer} page={page} />
          <Word page={page} peer={peer} />
        </div>
      </div>
    </>
  )
}

// --- the key, and trust ----------------------------------------------------------------------------------------------------------

type Action = "allow" | "revoke" | "forget"

const actions: Readonly<
  Record<Action, {
    readonly label: string
    readonly title: string
    readonly text: string
    readonly yes: string
    readonly danger: boolean
  }>
> = {
  allow: {
    label: "Trust this key",
    title: "The name belongs to this key?",
    text:
      "Have the ten words read out to you by whoever runs the peer. Only if all are the same, and in this order, go on: from then on this node takes nobody else for it.",
    yes: "The words are the same",
    danger: false
  },
  forget: {
    label: "Forget",
    title: "Forget whose name it is?",
    text: "The next key that comes with this name may have it, as if it had never been seen.",
    yes: "Forget it",
    danger: true
  },
  revoke: {
    label: "Revoke",
    title: "Revoke this key?",
    text:
      "Nobody who has it is let in any more, under whatever name. Sessions with it end. This is for a key that was stolen, or is not to be used again.",
    yes: "Revoke the key",
    danger: true
  }
}

const Confirm = (
  { action, onClose, page, peer }: {
    readonly action: Action
    readonly peer: Peer
    readonly page: PeerPage
    readonly onClose: () => void
  }
) => {
  const [busy, setBusy] = useState(false)
  const { danger, text, title, yes } = actions[action]
  const run = () => {
    setBusy(true)
    void ask((client) =>
      action === "allow"
        ? client.allow({ name: peer.name, key: peer.key })
        : action === "forget"
        ? client.forget({ name: peer.name })
        : client.revoke({ key: peer.key })
    ).then((answer) => {
      onClose()
      if (answer.ok) {
        notify(
          "done",
          `${plain(peer.name, 60)}: ${
            action === "allow"
              ? "the name belongs to this key"
              : action === "forget"
              ? "forgotten"
              : "the key is revoked"
          }`
        )
      } else notify("failed", answer.failure.message, answer.failure.hint)
    })
  }
  return (
    <Dialog label={title} onClose={onClose}>
      <h2>{title}</h2>
      <div class="compare">
        <Picture of={peer.key} size={56} />
        <div>
          <strong>
            <Name text={peer.name} />
          </strong>
          <div>
            <Print of={peer.fingerprint} />
          </div>
        </div>
      </div>
      <p class="quiet">{text}</p>
      {action === "allow" && <Words of={page.words} />}
      <div class="dialog-end">
        <button type="button" class="button" onClick={onClose}>Not now</button>
        <button type="button" class={`button main-one ${danger ? "danger" : ""}`} disabled={busy} onClick={run}>
          {yes}
        </button>
      </div>
    </Dialog>
  )
}

const KeyCard = ({ page, peer }: { readonly peer: Peer; readonly page: PeerPage | undefined }) => {
  const [action, setAction] = useState<Action | undefined>(undefined)
  const can = (["allow", "forget", "revoke"] as const).filter((one) => page?.can.includes(one))
  return (
    <section class="card">
      <div class="card-head">
        <h2>Key</h2>
        <Trust of={peer.trust} />
      </div>
      <div class="card-body stack-small">
        <p class="quiet small">
          {trustMeaning(peer.trust)}
          {!peer.proved && " It has not proved yet that it holds this key."}
        </p>
        <div class="key-words">
          {page === undefined
            ? <ol class="words" aria-hidden="true">{Array.from({ length: 10 }, (_, i) => <li key={i}>&nbsp;</li>)}</ol>
            : <Words of={page.words} />}
        </div>
        <p class="quiet small">
          To be sure who it is, have whoever runs it read these words out to you. The picture is to recognise it by.
        </p>
        <dl class="facts">
          <dt>Fingerprint</dt>
          <dd class="with-copy">
            <span class="mono">{plain(peer.fingerprint)}</span>
            <Copy text={peer.fingerprint} label="Copy the fingerprint" />
          </dd>
          <dt>Public key</dt>
          <dd class="with-copy">
            <span class="mono break">{plain(peer.key)}</span>
            <Copy text={peer.key} label="Copy the key" />
          </dd>
          {page?.expected !== undefined && (
            <>
              <dt>Expected</dt>
              <dd>
                <a class="mono" href={write("peers", page.expected.key)}>{plain(page.expected.fingerprint)}</a>
              </dd>
            </>
          )}
        </dl>
        {can.length > 0 && (
          <div class="key-acts">
            {can.map((one) => (
              <button
                type="button"
                key={one}
                class={`button ${actions[one].danger ? "danger" : ""}`}
                disabled={!acts.value}
                onClick={() => setAction(one)}
              >
                {actions[one].label}
              </button>
            ))}
            {!acts.value && (
              <span class="faint small">
                This console only shows. It acts when it is started with <code>--act</code>.
              </span>
            )}
          </div>
        )}
        {action !== undefined && page !== undefined && (
          <Confirm
            action={action}
            peer={peer}
            page={page}
            onClose={() => setAction(undefined)}
          />
        )}
      </div>
    </section>
  )
}

// --- how it is reached -----------------------------------------------------------------------------------------------------------

const Reached = ({ page, peer }: { readonly peer: Peer; readonly page: PeerPage | undefined }) => {
  const addresses = page?.addresses ?? peer.addresses.map((address) => ({ address, way: "" }))
  const sessions = page?.sessions ?? (peer.session === undefined ? [] : [peer.session])
  return (
    <section class="card">
      <div class="card-head">
        <h2>How it is reached</h2>
      </div>
      <div class="card-body">
        <dl class="facts">
          <dt>Ways</dt>
          <dd>
            {peer.ways.length === 0
              ? <span class="faint">not known</span>
              : (
                <span class="chips">
                  {peer.ways.map((way) => <span class="badge outline" key={way}>{plain(wayWord(way), 24)}</span>)}
                </span>
              )}
          </dd>
          <dt>Addresses</dt>
          <dd>
            {addresses.length === 0
              ? <span class="faint">none</span>
              : (
                <ul>
                  {addresses.map(({ address, way }, i) => (
                    <li key={i} class="mono">
                      {plain(address, 80)}
                      {way !== "" && addresses.length > 1 && <span class="faint">{plain(wayWord(way), 24)}</span>}
                    </li>
                  ))}
                </ul>
              )}
          </dd>
          <dt>Session</dt>
          <dd>
            {sessions.length === 0
              ? <span class="faint">none now</span>
              : (
                <ul>
                  {sessions.map(({ by, draining, streams }, i) => (
                    <li key={i}>
                      {by === "dialled" ? "Dialled from here" : "Made by the peer"}, {several(streams, "stream")}
                      {draining && <span class="faint">, ending</span>}
                    </li>
                  ))}
                </ul>
              )}
          </dd>
        </dl>
      </div>
    </section>
  )
}

const Word = ({ page, peer }: { readonly peer: Peer; readonly page: PeerPage | undefined }) => {
  const meta = Object.entries(page?.meta ?? {})
  if (peer.roles.length === 0 && meta.length === 0) return null
  return (
    <section class="card">
      <div class="card-head">
        <h2>What it says of itself</h2>
      </div>
      <div class="card-body">
        <dl class="facts">
          {peer.roles.length > 0 && (
            <>
              <dt>Roles</dt>
              <dd class="chips">
                {peer.roles.map((role) => (
                  <span class="badge outline" key={role}>
                    <Said text={role} most={60} />
                  </span>
                ))}
              </dd>
            </>
          )}
          {meta.map(([name, value]) => (
            <>
              <dt class="break">
                <Said text={name} most={60} />
              </dt>
              <dd>
                <Said text={String(value)} />
              </dd>
            </>
          ))}
        </dl>
      </div>
    </section>
  )
}

// --- what it offers --------------------------------------------------------------------------------------------------------------

const Served = ({ of, peer }: { readonly of: Function; readonly peer: Peer }) => (
  <li class="function" data-function={plain(of.name)}>
    <div class="function-text">
      <div class="signature">
        <Said text={of.signature} most={400} />
      </div>
      {of.description !== undefined && (
        <p class="quiet">
          <Said text={of.description} lines most={600} />
        </p>
      )}
    </div>
    <div class="function-end">
      {of.kind === "rpc" && <span class="badge" title="A typed call of a contract">typed</span>}
      {of.stream && <span class="badge accent">stream</span>}
      <a class="button tiny" href={write("try", undefined, { peer: peer.name, function: of.name })}>Try</a>
    </div>
  </li>
)

const Functions = ({ page, peer }: { readonly peer: Peer; readonly page: PeerPage | undefined }) => {
  const described = useAsked(`${peer.key} ${peer.functionCount}`, (client) => client.describe({ key: peer.key }))
  const text = route.value.query["q"] ?? ""
  const names = page?.functions ?? peer.functions.map((name) => ({ name, contract: "" }))
  const all = useMemo((): ReadonlyArray<Function> => {
    const known: ReadonlyArray<Function> = described.value ??
      names.map(({ name }) => ({ name, kind: "function" as const, signature: `${name}(…)`, stream: false }))
    const word = text.toLowerCase()
    return known.filter(({ description, name }) => `${name}\n${description ?? ""}`.toLowerCase().includes(word))
  }, [described.value, page, peer, text])
  const [shown, more] = useMore(all.length, "functions")
  const number = described.value?.length ?? peer.functionCount
  return (
    <section class="card">
      <div class="card-head">
        <h2>
          Functions<span class="count">{count(number)}</span>
        </h2>
        {number > 8 && <SearchBox label="Search functions" text={text} onText={(q) => look({ q })} />}
      </div>
      {described.failure !== undefined && (
        <div class="card-body">
          <Failed failure={described.failure} />
        </div>
      )}
      {all.length === 0
        ? (
          <Empty
            icon={<Icon.List />}
            title={text !== ""
              ? "None is called like that"
              : described.busy && !(peer.offered && peer.heeded)
              ? "Asking the peer"
              : "It serves no functions"}
          />
        )
        : <ul class="functions">{all.slice(0, shown).map((one) => <Served key={one.name} of={one} peer={peer} />)}</ul>}
      {more}
    </section>
  )
}

const Topics = ({ page }: { readonly page: PeerPage | undefined }) => {
  const topics = page?.topics ?? []
  if (topics.length === 0) return null
  return (
    <section class="card">
      <div class="card-head">
        <h2>
          Topics it listens to<span class="count">{count(topics.length)}</span>
        </h2>
      </div>
      <ul class="functions">
        {topics.map(({ group, mode, topic }) => (
          <li class="function" key={`${topic} ${mode} ${group}`}>
            <a class="mono break" href={write("topics", undefined, { topic })}>
              <Said text={topic} />
            </a>
            <div class="function-end">
              <span class="badge">{plain(mode, 24)}</span>
              {group !== undefined && (
                <span class="badge outline">
                  group <Said text={group} most={40} />
                </span>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
