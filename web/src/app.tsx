/** The frame around every page: who we are, where we are, and the way to everywhere else. */
import type { ComponentType } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { SessionInfo } from '../../src/frontends/admin/api.ts'
import { ApiFault, readSession, remove, useToken } from './client.ts'
import { live, useLive } from './live.ts'
import { AuditPage } from './pages/audit.tsx'
import { ConnectionsPage } from './pages/connections.tsx'
import { DeadPage } from './pages/dead.tsx'
import { FlowsPage } from './pages/flows.tsx'
import { LoginPage } from './pages/login.tsx'
import { OverviewPage } from './pages/overview.tsx'
import { QueuePage } from './pages/queue.tsx'
import { QueuesPage } from './pages/queues.tsx'
import { ScalingPage } from './pages/scaling.tsx'
import { SchedulesPage } from './pages/schedules.tsx'
import { SendPage } from './pages/send.tsx'
import { TopologyPage } from './pages/topology.tsx'
import { Empty } from './parts/basics.tsx'
import { Dialog } from './parts/dialog.tsx'
import { go, link, type Place, useRoute } from './route.ts'
import { type Session, SessionContext } from './session.ts'

interface PageEntry {
  readonly path: string
  readonly title: string
  /** Pressed after `g`. */
  readonly key: string
  readonly page: ComponentType<{ readonly place: Place }>
}

const PAGES: readonly PageEntry[] = [
  { path: '', title: 'Overview', key: 'o', page: OverviewPage },
  { path: 'queues', title: 'Queues', key: 'q', page: QueuesPage },
  { path: 'dead', title: 'Dead letters', key: 'd', page: DeadPage },
  { path: 'flows', title: 'Workflows', key: 'w', page: FlowsPage },
  { path: 'schedules', title: 'Schedules', key: 's', page: SchedulesPage },
  { path: 'topology', title: 'Topology', key: 't', page: TopologyPage },
  { path: 'connections', title: 'Workers', key: 'c', page: ConnectionsPage },
  { path: 'scaling', title: 'Autoscaling', key: 'a', page: ScalingPage },
  { path: 'send', title: 'Send', key: 'm', page: SendPage },
  { path: 'audit', title: 'Audit log', key: 'l', page: AuditPage },
]

const CAREFUL = 'spindle.read-only'

export function App() {
  const [info, setInfo] = useState<SessionInfo>()
  const [refused, setRefused] = useState(false)
  const [fault, setFault] = useState<string>()
  const [careful, setCareful] = useState(() => localStorage.getItem(CAREFUL) === '1')
  const enter = (entered: SessionInfo): void => {
    useToken(entered.writeToken)
    setRefused(false)
    setInfo(entered)
    live.start()
  }
  useEffect(() => {
    readSession().then(enter, (thrown: unknown) => {
      if (thrown instanceof ApiFault && thrown.status === 401) setRefused(true)
      else setFault(thrown instanceof Error ? thrown.message : String(thrown))
    })
  }, [])
  const session = useMemo<Session | undefined>(
    () =>
      info && {
        info,
        careful,
        setCareful(wanted) {
          localStorage.setItem(CAREFUL, wanted ? '1' : '0')
          setCareful(wanted)
        },
      },
    [info, careful],
  )
  if (refused) return <LoginPage onEnter={enter} />
  if (fault !== undefined) return <Empty title="The server does not let this page in">{fault}</Empty>
  if (session === undefined) return null
  return (
    <SessionContext.Provider value={session}>
      <Frame session={session} />
    </SessionContext.Provider>
  )
}

function Frame({ session }: { readonly session: Session }) {
  const place = useRoute()
  const [help, setHelp] = useState(false)
  const [menu, setMenu] = useState(false)
  useKeys(() => setHelp(true))
  const [first = ''] = place.parts
  const entry = PAGES.find(({ path }) => path === first)
  const Page = first === 'queues' && place.parts.length > 1 ? QueuePage : entry?.page
  const title = place.parts[1] ?? entry?.title ?? 'Nothing here'
  useEffect(() => {
    document.title = `${title} · Spindle`
    setMenu(false)
    scrollTo(0, 0)
  }, [title, first])
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <nav class={menu ? 'side open' : 'side'} aria-label="Pages">
        <div class="brand">
          <a href="#/" aria-label="Spindle, overview">
            <Logo />
            <span>Spindle</span>
          </a>
          <button type="button" class="quiet menu" aria-expanded={menu} onClick={() => setMenu(!menu)}>
            Menu
          </button>
        </div>
        <ul>
          {PAGES.map(({ path, title: name }) => (
            <li key={path}>
              <a href={link(path === '' ? [] : [path])} aria-current={path === first ? 'page' : undefined}>
                {name}
                <NavCount path={path} />
              </a>
            </li>
          ))}
        </ul>
        <Foot session={session} onHelp={() => setHelp(true)} />
      </nav>
      <main id="main" tabIndex={-1}>
        {Page === undefined ? (
          <Empty title="There is no such page" />
        ) : (
          <Page key={place.parts.join('/')} place={place} />
        )}
      </main>
      {help && (
        <Dialog title="Keys" onClose={() => setHelp(false)}>
          <dl class="facts">
            {PAGES.map(({ key, title: name }) => (
              <>
                <dt key={key}>
                  <kbd>g</kbd> <kbd>{key}</kbd>
                </dt>
                <dd>{name}</dd>
              </>
            ))}
            <dt>
              <kbd>/</kbd>
            </dt>
            <dd>Search on this page</dd>
            <dt>
              <kbd>j</kbd> <kbd>k</kbd>
            </dt>
            <dd>Next and previous row; Enter opens it</dd>
            <dt>
              <kbd>?</kbd>
            </dt>
            <dd>This list</dd>
          </dl>
        </Dialog>
      )}
    </div>
  )
}

function NavCount({ path }: { readonly path: string }) {
  const { stats } = useLive()
  if (stats === undefined) return null
  if (path === 'queues') return <span class="nav-count">{stats.queueCount}</span>
  if (path === 'dead' && stats.sums.dead > 0) return <span class="nav-count dead">{stats.sums.dead}</span>
  return null
}

function Foot({ session, onHelp }: { readonly session: Session; readonly onHelp: () => void }) {
  const { info, careful, setCareful } = session
  const { connected } = useLive()
  const leave = (): void => void remove('/session').finally(() => location.reload())
  return (
    <div class="side-foot">
      <p class={connected ? 'lamp on' : 'lamp'} role="status">
        {connected ? 'Live' : 'Connecting…'}
      </p>
      {info.readOnly ? (
        <p>Read-only server</p>
      ) : (
        <label class="check">
          <input type="checkbox" checked={careful} onChange={(event) => setCareful(event.currentTarget.checked)} />
          Read-only
        </label>
      )}
      <p>
        {info.user ?? 'Open server'} · {info.version}
      </p>
      <p class="row">
        <button type="button" class="quiet" onClick={onHelp}>
          Keys <kbd>?</kbd>
        </button>
        {info.user !== null && (
          <button type="button" class="quiet" onClick={leave}>
            Log out
          </button>
        )}
      </p>
    </div>
  )
}

export function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <path d="M16 2v26" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />
      <path d="M8.5 29.4h15" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" />
      <path d="M6.5 8.4l18-1.7.5 4.5-18 1.7z" fill="#f4efe3" />
      <path d="M7 14.8l17.6.9-.4 4.4L6.6 19.2z" fill="#e8b44c" />
      <path d="M7.4 22.6l17-.8.3 3.5-17 .8z" fill="#7cc4b4" />
    </svg>
  )
}

/** Keys do nothing while somebody types. */
function useKeys(help: () => void): void {
  useEffect(() => {
    let going = false
    const pressed = (event: KeyboardEvent): void => {
      const typing = event.target instanceof Element && event.target.closest('input, textarea, select, dialog') !== null
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return
      if (going) {
        going = false
        const entry = PAGES.find(({ key }) => key === event.key)
        if (entry !== undefined) go(link(entry.path === '' ? [] : [entry.path]))
        return
      }
      if (event.key === 'g') going = true
      else if (event.key === '?') help()
      else if (event.key === '/') {
        event.preventDefault()
        document.querySelector<HTMLElement>('[type=search]')?.focus()
      } else if (event.key === 'j' || event.key === 'k') step(event.key === 'j' ? 1 : -1)
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [help])
}

function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main .row-link')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus()
}
