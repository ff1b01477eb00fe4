/** What is around every view: where one is, how the node is reached, and what happened meanwhile. */
import { useEffect, useRef } from "preact/hooks"
import { retry } from "./api/link.ts"
import { viewLink } from "./go.ts"
import { places } from "./keys.ts"
import { Dialog, Name, Picture, Said, Segments, Since } from "./parts/basic.tsx"
import * as Icon from "./parts/icons.tsx"
import { type View, views } from "./route.ts"
import * as state from "./store/state.ts"
import { plain, several } from "./text.ts"
import { CallsView } from "./views/Calls.tsx"
import { EventsView } from "./views/Events.tsx"
import { HealthView } from "./views/Health.tsx"
import { NetworkView } from "./views/Network.tsx"
import { PeerView } from "./views/Peer.tsx"
import { PeersView } from "./views/Peers.tsx"
import { TopicsView } from "./views/Topics.tsx"
import { TryView } from "./views/Try.tsx"

const titles: Readonly<Record<View, string>> = {
  network: "Network",
  peers: "Peers",
  try: "Try",
  calls: "Calls",
  events: "Events",
  topics: "Topics",
  health: "Health"
}

const shown: Readonly<Record<View, () => preact.JSX.Element>> = {
  network: NetworkView,
  peers: () =>
    state.route.value.of === undefined
      ? <PeersView />
      : <PeerView key={state.route.value.of} of={state.route.value.of} />,
  try: TryView,
  calls: CallsView,
  events: EventsView,
  topics: TopicsView,
  health: HealthView
}

const Tab = ({ view }: { readonly view: View }) => {
  const wrong = view === "health" ? state.wrong.value : 0
  const ref = useRef<HTMLAnchorElement>(null)
  const isHere = state.route.value.view === view
  useEffect(() => {
    if (!isHere) return
    // On a small screen the tabs are wider than it, as they are where it is turned.
    const show = () => ref.current?.scrollIntoView({ block: "nearest", inline: "center" })
    show()
    addEventListener("resize", show)
    return () => removeEventListener("resize", show)
  }, [isHere])
  return (
    <a class="tab" ref={ref} href={viewLink(view)} aria-current={isHere ? "page" : undefined}>
      <span class="tab-label" data-label={titles[view]}>{titles[view]}</span>
      {view === "peers" && <span class="badge">{state.hello.value === undefined ? "–" : state.peerCount.value}</span>}
      {wrong > 0 && (
        <span class={`badge ${state.conflicts.value.length > 0 ? "bad" : "warn"}`}>
          {wrong}
          <span class="unseen">to look at</span>
        </span>
      )}
    </a>
  )
}

const Live = () => {
  const { state: now } = state.connection.value
  const [colour, word] = now === "open"
    ? ["good", "Live"]
    : now === "lost"
    ? ["bad", "Not connected"]
    : ["hollow", "Connecting"]
  return (
    <span class="live" role="status">
      <span class={`dot ${colour}`} />
      <span class="live-text">{word}</span>
    </span>
  )
}

const themes = [
  { value: "system", label: <Icon.Screen />, name: "As the system has it" },
  { value: "light", label: <Icon.Sun />, name: "Light" },
  { value: "dark", label: <Icon.Moon />, name: "Dark" }
] as const

const Head = () => {
  const hello = state.hello.value
  return (
    <header class="head">
      <div class="head-row">
        <a class="brand" href={viewLink("network")} aria-label="pnet console">
          <Icon.Mark />
          <span class="brand-text">pnet</span>
        </a>
        {hello !== undefined && (
          <>
            <span class="crumb" aria-hidden="true">/</span>
            <div class="where">
              <span class="where-network quiet">
                <Name text={hello.network} most={32} />
              </span>
              <span class="crumb" aria-hidden="true">/</span>
              <Picture of={hello.node.key} size={20} />
              <Name text={hello.node.name} most={32} />
            </div>
            {!hello.act && (
              <span
                class="badge outline"
                title="This console shows, and does not change whom the node trusts. It acts when it is started with --act."
              >
                Only shows
              </span>
            )}
          </>
        )}
        <div class="head-end">
          <Live />
          <button
            type="button"
            class="button plain icon"
            aria-label="Keys"
            title="Keys (?)"
            onClick={() => void (state.helps.value = true)}
          >
            <Icon.Keyboard />
          </button>
          <Segments
            label="Colours"
            icons
            value={state.theme.value}
            choices={themes}
            onChoose={(theme) => void (state.theme.value = theme)}
          />
        </div>
      </div>
      <nav class="tabs" aria-label="Views">{views.map((view) => <Tab key={view} view={view} />)}</nav>
    </header>
  )
}

const Help = () => (
  <Dialog label="Keys" onClose={() => void (state.helps.value = false)}>
    <h2>Keys</h2>
    <dl class="help-list">
      {Object.entries(places).map(([key, view]) => (
        <>
          <dt>
            <span class="key">g</span>
            <span class="key">{key}</span>
          </dt>
          <dd>{titles[view]}</dd>
        </>
      ))}
      <dt>
        <span class="key">/</span>
      </dt>
      <dd>Search in the view</dd>
      <dt>
        <span class="key">Ctrl</span>
        <span class="key">Enter</span>
      </dt>
      <dd>Make the call, in Try</dd>
      <dt>
        <span class="key">←</span>
        <span class="key">↑</span>
        <span class="key">→</span>
      </dt>
      <dd>
        Choose the next peer, on the map; <span class="key">+</span> <span class="key">−</span>{" "}
        <span class="key">0</span> zoom
      </dd>
      <dt>
        <span class="key">?</span>
      </dt>
      <dd>These keys</dd>
    </dl>
    <div class="dialog-end">
      <button type="button" class="button" onClick={() => void (state.helps.value = false)}>Close</button>
    </div>
  </Dialog>
)

const Notices = () => {
  const connection = state.connection.value
  const restarted = state.restarted.value
  return (
    <div class="notices" aria-live="polite">
      {connection.state === "lost" && state.hello.value !== undefined && (
        <div class="notice" data-lost>
          <span class="dot bad notice-dot" />
          <div>
            <strong>
              {connection.refused ? "The node lets this page in no more" : "The connection to the node is lost"}
            </strong>
            <p class="quiet small">
              {connection.refused
                ? "It was started anew: open the address that it has printed. What is shown is what was known before."
                : (
                  <>
                    What is shown is as it was <Since at={connection.since} /> ago. It is tried again by itself.
                  </>
                )}
            </p>
          </div>
          <button type="button" class="button tiny" onClick={retry}>Try now</button>
        </div>
      )}
      {restarted !== undefined && connection.state === "open" && (
        <div class="notice" data-restarted>
          <span class="dot note notice-dot" />
          <div>
            <strong>The node was started anew</strong>
            <p class="quiet small">
              <Since at={restarted} /> ago. What is shown is what it has seen since then.
            </p>
          </div>
          <button
            type="button"
            class="button plain icon tiny"
            aria-label="Dismiss"
            onClick={() => void (state.restarted.value = undefined)}
          >
            <Icon.Close />
          </button>
        </div>
      )}
      {state.notices.value.map(({ hint, id, kind, text }) => (
        <div class="notice" key={id}>
          <span class={`dot notice-dot ${kind === "done" ? "good" : "bad"}`} />
          <div>
            <Said text={text} />
            {hint !== undefined && (
              <p class="quiet small">
                <Said text={hint} />
              </p>
            )}
          </div>
          <button type="button" class="button plain icon tiny" aria-label="Dismiss" onClick={() => state.dismiss(id)}>
            <Icon.Close />
          </button>
        </div>
      ))}
    </div>
  )
}

/** Before anything is known. */
const Start = () => {
  const connection = state.connection.value
  const isRefused = connection.state === "lost" && connection.refused
  return (
    <div class="start">
      <Icon.Mark />
      <p>
        {isRefused
          ? "This page is not let in. Open the address that the console has printed."
          : connection.state === "lost"
          ? "The node does not answer. It is tried again by itself."
          : "Connecting to the node"}
      </p>
    </div>
  )
}

export const App = () => {
  const { view } = state.route.value
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  const name = state.hello.value?.node.name
  useEffect(() => {
    document.title = `${titles[view]}${name === undefined ? "" : ` · ${plain(name, 40)}`} · pnet`
  }, [view, name])
  useEffect(() => {
    // Who uses the keyboard, or hears the page, is where the new view begins.
    if (!isFirst.current && (document.activeElement === document.body || document.activeElement === null)) {
      main.current?.focus({ preventScroll: true })
    }
    isFirst.current = false
  }, [view, state.route.value.of])
  const View = shown[view]
  return (
    <div class="frame">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus({ preventScroll: true })
        }}
      >
        To the content
      </a>
      <Head />
      <div class="scroll" data-scroll>
        <main id="main" class={`main ${view === "network" ? "wide" : ""}`} tabIndex={-1} ref={main}>
          {state.hello.value === undefined ? <Start /> : <View key={view} />}
        </main>
      </div>
      <Notices />
      {state.helps.value && <Help />}
      <div class="unseen" role="status" aria-live="polite">{state.spoken.value}</div>
    </div>
  )
}

export const peersWord = (): string => several(state.peerCount.value, "peer")
