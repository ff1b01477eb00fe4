/** A function of a peer, tried: a form of what it takes, and what comes of it. */
import type { Function } from "@pnet/console/ConsoleApi"
import { useEffect, useMemo, useState } from "preact/hooks"
import { asCommand, asTypeScript, type Call, type Taken, takenOf } from "../form/call.ts"
import { checked, draftFrom, draftOf } from "../form/draft.ts"
import { Items, ObjectFields, pathKey } from "../form/Form.tsx"
import { look } from "../go.ts"
import { useAsked } from "../parts/asked.ts"
import { Code, Empty, Failed, Said } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { write } from "../route.ts"
import { byName, isOpen, network, peers, route } from "../store/state.ts"
import { begin, cancel, described, fill, type Filled, filled, run } from "../store/trying.ts"
import { compareNames, plain } from "../text.ts"
import { Results } from "./Results.tsx"

const deadlines = [[1_000, "1 second"], [5_000, "5 seconds"], [30_000, "30 seconds"], [60_000, "1 minute"], [
  600_000,
  "10 minutes"
], [3_600_000, "1 hour"]] as const
const usual = 60_000

/** Names of peers that offer something, or have not said what, and of the functions that any of them offers. */
const useOffers = () => {
  const all = peers.value
  const names = useMemo(
    () => [...new Set([...all.values()].filter(({ id }) => id !== 0).map(({ name }) => name))].sort(compareNames),
    [all]
  )
  const functions = useMemo(
    () => [...new Set([...all.values()].flatMap(({ functions }) => functions))].sort(compareNames),
    [all]
  )
  return { names, functions }
}

/** Who is asked what a function takes: the peer that is called, or of all the first that offers it. */
const askedFor = (target: string, name: string) => {
  if (target !== "*") return byName.value.get(target)?.[0]
  return [...network.value.peers.values()].filter(({ functions, id }) => id !== 0 && functions.includes(name)).sort((
    a,
    b
  ) => compareNames(a.name, b.name))[0]
}

/** Whether a peer may have a function: one that has not said all it offers may. */
const serves = (target: string, name: string) => {
  const peer = target === "*" ? undefined : byName.value.get(target)?.[0]
  return peer === undefined || !peer.offered || !peer.heeded || peer.functions.length < peer.functionCount ||
    peer.functions.includes(name)
}

export const TryView = () => {
  const { function: name = "", peer: target = "" } = route.value.query
  const { functions, names } = useOffers()
  const peer = askedFor(target, name)
  const asked = useAsked(
    peer === undefined ? "" : `${peer.key} ${peer.functionCount}`,
    (client) => client.describe({ key: peer?.key ?? "" })
  )
  if (peer !== undefined && asked.value !== undefined) described.set(peer.key, asked.value)
  const known = peer === undefined ? undefined : asked.value ?? described.get(peer.key)
  const list = target === "*" ? functions : (known?.map(({ name }) => name) ?? peer?.functions ?? [])
  const of = known?.find((one) => one.name === name)
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Try a function</h1>
          <p>Calls it as this node would. A call does what it does: it is no rehearsal.</p>
        </div>
      </div>
      <div class="try-columns">
        <section class="card" aria-label="The call">
          <div class="try-what">
            <label class="pick">
              <span>Peer</span>
              <select
                class="input"
                value={target}
                onChange={(event) => {
                  const peer = event.currentTarget.value
                  look({
                    peer,
                    args: undefined,
                    kwargs: undefined,
                    ...(serves(peer, name) ? {} : { function: undefined })
                  })
                }}
              >
                {target === "" && <option value="">Choose a peer</option>}
                {target !== "" && target !== "*" && !names.includes(target) && (
                  <option value={target}>{plain(target, 60)} (not here)</option>
                )}
                <option value="*">* everybody</option>
                {names.map((one) => <option key={one} value={one}>{plain(one, 60)}</option>)}
              </select>
            </label>
            <label class="pick">
              <span>Function</span>
              <select
                class="input"
                value={name}
                disabled={target === ""}
                onChange={(event) => look({ function: event.currentTarget.value, args: undefined, kwargs: undefined })}
              >
                {name === "" && (
                  <option value="">
                    {list.length === 0 && target !== "" ? asked.busy ? "Asking the peer" : "None" : "Choose a function"}
                  </option>
                )}
                {name !== "" && !list.includes(name) && <option value={name}>{plain(name, 60)}</option>}
                {[...list].sort(compareNames).map((one) => <option key={one} value={one}>{plain(one, 60)}</option>)}
              </select>
            </label>
          </div>
          {name === "" || target === ""
            ? (
              <Empty icon={<Icon.Play />} title={target === "" ? "Choose whom to call" : "Choose what to call"}>
                {target === ""
                  ? (
                    <>
                      A peer, or everybody at once. The functions of a peer are also on its page: see{" "}
                      <a href={write("peers")}>Peers</a>.
                    </>
                  )
                  : "The form is made of what the peer says that the function takes."}
              </Empty>
            )
            : asked.failure !== undefined && of === undefined
            ? (
              <div class="card-body">
                <Failed failure={asked.failure} />
              </div>
            )
            : of === undefined && asked.busy && peer !== undefined
            ? <div class="card-body quiet">Asking the peer what the function takes</div>
            : (
              <CallForm
                key={`${name} ${JSON.stringify(of?.args)} ${JSON.stringify(of?.kwargs)}`}
                target={target}
                of={of ?? { name, kind: "function", signature: `${name}(…)`, stream: false }}
              />
            )}
        </section>
        <Results />
      </div>
    </>
  )
}

const parsed = (text: string | undefined): unknown => {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const firstOf = (taken: Taken, key: string): Filled => {
  const { args, kwargs } = route.peek().query
  const list = parsed(args)
  const named = parsed(kwargs)
  const before = filled.get(key)
  if (before !== undefined && list === undefined && named === undefined) return before
  return {
    args: Array.isArray(list) ? draftFrom(taken.args, taken.args, list) : draftOf(taken.args, taken.args),
    kwargs: taken.kwargs === undefined
      ? undefined
      : typeof named === "object" && named !== null
      ? draftFrom(taken.kwargs, taken.kwargs, named as {})
      : draftOf(taken.kwargs, taken.kwargs)
  }
}

const longestInUrl = 1_500

const CallForm = ({ of, target }: { readonly of: Function; readonly target: string }) => {
  const taken = useMemo(() => takenOf(of), [of.args, of.kwargs, of.kind])
  const key = `${of.name} ${of.contract ?? ""}`
  const [draft, setDraft] = useState<Filled>(() => firstOf(taken, key))
  const [strict, setStrict] = useState(false)
  const timeoutMs = Number(route.value.query["deadline"] ?? usual) || usual
  const made = useMemo(() => {
    const args = checked(taken.args, draft.args)
    const kwargs = taken.kwargs === undefined || draft.kwargs === undefined
      ? undefined
      : checked(taken.kwargs, draft.kwargs)
    return { args, kwargs, ok: args.wrong.length + (kwargs?.wrong.length ?? 0) === 0 }
  }, [draft, taken])
  const wrongOf = (list: ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly expected: string }>) =>
    new Map(list.map(({ expected, path }) => [pathKey(path), expected]))
  const call: Call = {
    target: target === "*" ? "*" : [target],
    function: of.name,
    args: Array.isArray(made.args.value) ? made.args.value : [],
    kwargs: (made.kwargs?.value ?? {}) as Call["kwargs"],
    timeoutMs,
    stream: of.stream
  }
  const command = asCommand(call, made.ok)
  const unfilled = made.ok ? undefined : "It is to be copied when the form is filled in"
  const written = JSON.stringify([call.args, call.kwargs])
  useEffect(() => {
    fill(key, draft)
    const timer = setTimeout(() => {
      const isLong = written.length > longestInUrl
      look({
        args: isLong || call.args.length === 0 ? undefined : JSON.stringify(call.args),
        kwargs: isLong || Object.keys(call.kwargs).length === 0 ? undefined : JSON.stringify(call.kwargs)
      })
    }, 300)
    return () => clearTimeout(timer)
  }, [written])
  const isRunning = run.value?.state === "running"
  const send = () => {
    setStrict(true)
    if (!made.ok || isRunning) {
      if (!made.ok) {
        requestAnimationFrame(() =>
          document.querySelector<HTMLElement>(".field [aria-invalid=true], .field-wrong")?.focus()
        )
      }
      return
    }
    begin({
      target: call.target,
      function: call.function,
      args: call.args,
      ...(Object.keys(call.kwargs).length === 0 ? {} : { kwargs: call.kwargs }),
      stream: of.stream,
      timeoutMs
    })
  }
  const common = { strict, path: [] }
  return (
    <form
      class="call-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return
        event.preventDefault()
        send()
      }}
    >
      <div class="card-body">
        <div class="signature brief">
          <Said text={of.signature} most={400} />
        </div>
        {of.description !== undefined && (
          <p class="quiet">
            <Said text={of.description} lines most={1_000} />
          </p>
        )}
        {taken.free && (
          <p class="field-about">The peer does not say what it takes: what is given is sent as it is, JSON or text.</p>
        )}
        <Items
          {...common}
          root={taken.args}
          schema={taken.args}
          draft={draft.args}
          wrong={wrongOf(made.args.wrong)}
          words={of.kind === "rpc" ? "payload" : "argument"}
          onDraft={(args) => setDraft({ ...draft, args })}
        />
        {taken.kwargs !== undefined && draft.kwargs !== undefined && (
          <div class="keywords">
            <h3>By name</h3>
            <ObjectFields
              {...common}
              root={taken.kwargs}
              schema={taken.kwargs}
              draft={draft.kwargs}
              wrong={wrongOf(made.kwargs?.wrong ?? [])}
              onDraft={(kwargs) => setDraft({ ...draft, kwargs })}
            />
          </div>
        )}
        {strict && !made.ok && (
          <p class="field-wrong" role="alert">
            {made.args.wrong.length + (made.kwargs?.wrong.length ?? 0) === 1 ? "One thing is" : "Some things are"}{" "}
            not yet what the function takes.
          </p>
        )}
      </div>
      <div class="call-end">
        <label class="deadline">
          <span class="quiet small">Deadline</span>
          <select
            class="input"
            value={String(timeoutMs)}
            onChange={(event) =>
              look({ deadline: event.currentTarget.value === String(usual) ? undefined : event.currentTarget.value })}
          >
            {!deadlines.some(([ms]) => ms === timeoutMs) && <option value={String(timeoutMs)}>{timeoutMs} ms</option>}
            {deadlines.map(([ms, word]) => <option key={ms} value={String(ms)}>{word}</option>)}
          </select>
        </label>
        {/* Not one element that becomes the other: the click that cancels would send the form. */}
        {isRunning
          ? (
            <button key="cancel" type="button" class="button" onClick={cancel}>
              <Icon.Stop />Cancel
            </button>
          )
          : (
            <button key="call" type="submit" class="button main-one" disabled={!isOpen.value} title="Ctrl Enter">
              <Icon.Play />Call
            </button>
          )}
      </div>
      <div class="card-body copies">
        <h3>The same call</h3>
        {command === undefined
          ? <p class="quiet small">The command cannot be told this peer's name, which is one of several to it.</p>
          : <Code text={command} label="Copy for a shell" not={unfilled} />}
        <Code text={asTypeScript(call, made.ok)} label="Copy as TypeScript" not={unfilled} />
      </div>
    </form>
  )
}
