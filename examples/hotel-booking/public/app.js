// The page: sends bookings, listens to one event stream, and keeps the lists up to date in place.

const $ = (id) => document.getElementById(id)
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const dayMonth = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const roomNames = { courtyard: 'Courtyard room', garden: 'Garden suite', tower: 'Tower room' }
const stepTitles = { voucher: 'Voucher PDF', mail: 'E-mail to the guest', services: 'Other services' }
const stateWords = {
  waiting: 'waits for the voucher',
  untracked: 'no record',
  skipped: 'never begun',
  queued: 'queued',
  delayed: 'delayed',
  running: 'running',
  succeeded: 'succeeded',
  retrying: 'will retry',
  failed: 'failed',
  cancelled: 'cancelled',
  discarded: 'discarded',
}
const CARDS_MAX = 8
const LOG_MAX = 30
const PROMISES_LIVE_MS = 450
const KILL_AT_PROGRESS = 0.3
const LOOK_AGAIN_MS = 4_000

const model = { mails: [], calls: [], processes: undefined, plannedMs: 2_530, fastPlannedMs: 30 }
const cards = new Map()
/** Bookings whose voucher, once begun, is to lose its worker. */
const doomed = new Set()

// ---------------------------------------------------------------- small things

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value
    else node.setAttribute(name, value)
  }
  node.append(...children)
  return node
}

/** Writes only what differs, so that screen readers and selections are left alone. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text
}

const ms = (value) => `${whole.format(value)} ms`
const post = (path, body = {}) =>
  fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

// ---------------------------------------------------------------- the two figures

const measured = JSON.parse(sessionStorage.getItem('measured') ?? '{}')

function remember(kind, value) {
  measured[kind] = value
  sessionStorage.setItem('measured', JSON.stringify(measured))
  showFigures()
}

function showFigures() {
  const fast = measured.fast ?? model.fastPlannedMs
  const slow = measured.slow ?? model.plannedMs
  const widest = Math.max(fast, slow)
  write($('fast-figure'), whole.format(fast))
  write($('slow-figure'), whole.format(slow))
  $('fast-fill').style.width = `${(100 * fast) / widest}%`
  $('slow-fill').style.width = `${(100 * slow) / widest}%`
  if (measured.fast !== undefined) write($('fast-note'), 'measured in this browser, with your last booking')
  if (measured.slow !== undefined) {
    write($('slow-note'), `measured in this browser: ${whole.format(slow / fast)} times as long`)
  }
}

// ---------------------------------------------------------------- bookings

function cardOf(view) {
  const known = cards.get(view.booking.id)
  if (known !== undefined) return known
  const card = { node: el('li', { className: 'booking' }), took: el('p', { className: 'took' }), rows: new Map() }
  const { booking } = view
  const stay = `${dayMonth.format(new Date(booking.arrival))} – ${dayMonth.format(new Date(booking.departure))}, ${
    roomNames[booking.room]
  }, €${whole.format(booking.priceEuros)}`
  const heading = el('h3', {}, el('span', { className: 'number', textContent: booking.number }), booking.guest)
  card.node.append(
    el('header', {}, el('div', {}, heading, el('p', { className: 'stay', textContent: stay })), card.took),
  )
  const list = el('ul', { className: 'tasks' })
  for (const task of view.tasks) {
    const row = newRow(task, booking)
    card.rows.set(task.step, row)
    list.append(row.node)
  }
  card.story = el('div', { className: 'story', hidden: true })
  card.node.append(list, card.story)
  cards.set(booking.id, card)
  $('bookings').prepend(card.node)
  $('bookings-empty').hidden = true
  for (const [id, old] of cards) {
    if (cards.size <= CARDS_MAX) break
    old.node.remove()
    cards.delete(id)
  }
  return card
}

function newRow(task, booking) {
  const row = {
    booking,
    node: el('li', { className: 'task' }),
    pill: el('span', { className: 'pill' }),
    detail: el('span', { className: 'detail' }),
    link: el('span', { className: 'link' }),
    bar: el('progress', { max: 1, value: 0, 'aria-label': `${stepTitles[task.step]}, ${booking.number}` }),
    incidents: el('ul', { className: 'incidents', hidden: true }),
  }
  const name = el('p', { className: 'name' }, stepTitles[task.step], el('code', { textContent: task.task }))
  row.node.append(
    name,
    el('div', { className: 'meter' }, row.bar),
    el('p', { className: 'state' }, row.detail, row.link, row.pill),
    row.incidents,
  )
  return row
}

function showBooking(view, isNew) {
  const card = cardOf(view)
  if (isNew) card.node.classList.add('new')
  if (view.answeredMs !== null) showTook(card.took, view)
  for (const task of view.tasks) showTask(card.rows.get(task.step), task)
  if (doomed.has(view.booking.id)) void killWhenRunning(view, card)
}

function showTook(node, view) {
  const words = { queued: '202, work queued', 'in-request': 'all in the request', 'fire-and-forget': '202, and hope' }
  node.className = `took ${view.answeredMs < 300 ? 'quick' : 'long'}`
  node.replaceChildren(el('b', { textContent: ms(view.answeredMs) }), words[view.booking.mode])
}

function showTask(row, task) {
  row.task = task
  row.node.dataset.state = task.state
  write(row.pill, stateWords[task.state] ?? task.state)
  row.bar.value = task.progress
  write(row.detail, detailOf(task))
  const wantsLink = task.step === 'voucher' && task.state === 'succeeded'
  if (wantsLink && row.link.childNodes.length === 0) {
    const href = `/bookings/${row.booking.id}/voucher.pdf`
    const name = `Open PDF of ${row.booking.number}`
    row.link.append(el('a', { href, target: '_blank', rel: 'noopener', textContent: 'Open PDF', 'aria-label': name }))
  }
  if (row.incidents.childNodes.length !== task.incidents.length) {
    row.incidents.hidden = task.incidents.length === 0
    row.incidents.replaceChildren(
      ...task.incidents.map((incident) => el('li', { textContent: incidentText(incident) })),
    )
  }
}

const incidentText = ({ attempt, what, error }) =>
  what === 'redelivered'
    ? `Attempt ${attempt}: the worker went silent, its lease ran out, the task went to the next worker`
    : `Attempt ${attempt} failed: ${error}`

function detailOf(task) {
  const attempt = task.attempts > 1 ? `attempt ${task.attempts}` : ''
  switch (task.state) {
    case 'succeeded':
      return [attempt, task.runMs === undefined ? '' : ms(task.runMs)].filter(Boolean).join(', ')
    case 'running':
      return attempt
    case 'retrying': {
      const left = task.nextAttemptAtMs - Date.now()
      return left > 0
        ? `attempt ${task.attempts + 1} in ${oneDigit.format(left / 1000)} s`
        : `attempt ${task.attempts + 1} now`
    }
    case 'failed':
      return task.error ?? ''
    default:
      return ''
  }
}

/** Next attempts count down. */
setInterval(() => {
  for (const card of cards.values()) {
    for (const row of card.rows.values()) {
      if (row.task?.state === 'retrying') write(row.detail, detailOf(row.task))
    }
  }
}, 100)

function tell(card, ...lines) {
  card.story.hidden = false
  card.story.replaceChildren(
    ...lines.map(([strong, text]) => el('p', {}, el('strong', { textContent: strong }), ` ${text}`)),
  )
}

// ---------------------------------------------------------------- inbox and calls

function showMail(mail, isNew) {
  const item = el('li', { className: isNew ? 'new' : '' })
  item.append(
    el(
      'div',
      { className: 'mail-head' },
      el('b', { textContent: mail.subject }),
      el('time', { textContent: clock.format(new Date(mail.receivedAtMs)) }),
    ),
    el('p', { className: 'detail', textContent: `to ${mail.to}` }),
    ...mail.attachments.map((attachment) =>
      el(
        'p',
        {},
        el('a', { href: attachment.href, target: '_blank', rel: 'noopener', textContent: attachment.name }),
        el('span', { className: 'detail', textContent: ` ${oneDigit.format(attachment.bytes / 1024)} KiB` }),
      ),
    ),
    el('details', {}, el('summary', { textContent: 'Read it' }), el('pre', { textContent: mail.text })),
  )
  prepend($('inbox'), item, $('inbox-empty'))
}

function showCall(call, isNew) {
  const well = call.status < 400
  const item = el('li', { className: isNew ? 'new' : '' })
  item.dataset.state = well ? 'succeeded' : 'failed'
  const remark = well ? (call.repeated ? 'knew it already, did nothing' : 'noted') : 'out of order'
  item.append(
    el(
      'div',
      { className: 'call' },
      el(
        'span',
        {},
        el('span', { className: 'pill', textContent: String(call.status) }),
        el('b', { textContent: call.partner }),
      ),
      el('time', { textContent: clock.format(new Date(call.atMs)) }),
    ),
    el('p', { className: 'detail', textContent: `${call.bookingNumber}: ${remark}` }),
  )
  prepend($('calls'), item, $('calls-empty'))
}

function prepend(list, item, empty) {
  empty.hidden = true
  list.prepend(item)
  // A list that can be scrolled must be reachable by keyboard.
  if (list.scrollHeight > list.clientHeight) list.tabIndex = 0
  while (list.childNodes.length > LOG_MAX) list.lastChild.remove()
}

// ---------------------------------------------------------------- processes

function showProcesses(processes) {
  model.processes = processes
  write($('pid-web'), String(processes.web))
  $('lamp-web').className = 'lamp on'
  for (const name of ['worker', 'promises']) {
    const { state, pid } = processes[name]
    write($(`pid-${name}`), state === 'running' ? String(pid) : state)
    $(`lamp-${name}`).className = `lamp ${state === 'running' ? 'on' : state === 'down' ? 'off' : ''}`
  }
}

// ---------------------------------------------------------------- taking a booking

const switches = { request: $('switch-request'), promises: $('switch-promises'), worker: $('switch-worker') }
for (const chosen of Object.values(switches)) {
  chosen.addEventListener('change', () => {
    for (const other of Object.values(switches)) if (other !== chosen) other.checked = false
  })
}

const fields = ['guest', 'email', 'arrival', 'departure']

function showWrong(wrong) {
  for (const name of fields) {
    const text = wrong[name]
    $(`${name}-wrong`).hidden = text === undefined
    write($(`${name}-wrong`), text ?? '')
    $(name).setAttribute('aria-invalid', String(text !== undefined))
    if (text === undefined) $(name).removeAttribute('aria-describedby')
    else $(name).setAttribute('aria-describedby', `${name}-wrong`)
  }
  const first = fields.find((name) => wrong[name] !== undefined)
  if (first !== undefined) $(first).focus()
}

function say(text, kind, number = '') {
  $('answer').className = `answer ${kind}`
  $('answer').replaceChildren(text, el('b', { textContent: number }))
}

let sending = false
$('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  if (sending) return
  sending = true
  $('submit').setAttribute('aria-disabled', 'true')
  const mode = switches.request.checked ? 'in-request' : switches.promises.checked ? 'fire-and-forget' : 'queued'
  const killsWorker = switches.worker.checked
  say(mode === 'in-request' ? 'The request is doing all the work…' : 'Booking…', '')
  try {
    await book(mode, killsWorker)
  } catch {
    say('The hotel did not answer. Is it still running?', 'bad')
  } finally {
    sending = false
    $('submit').removeAttribute('aria-disabled')
  }
})

async function book(mode, killsWorker) {
  const asked = Object.fromEntries(new FormData($('form')))
  const startedMs = performance.now()
  const response = await post('/bookings', { ...asked, mode })
  const tookMs = performance.now() - startedMs
  const answer = await response.json()
  showWrong(answer.fields ?? {})
  if (answer.booking === undefined) return say(answer.title ?? 'That did not work.', 'bad')
  if (mode === 'queued') remember('fast', tookMs)
  if (mode === 'in-request') remember('slow', tookMs)
  const ok = response.ok
  const name = { 201: '201 Created', 202: '202 Accepted', 502: '502 Bad Gateway' }[response.status] ?? response.status
  say(`${name} in ${ms(tookMs)}: `, ok ? 'good' : 'bad', answer.booking.number)
  const card = cardOf(answer)
  if (mode === 'in-request') tellAboutRequest(card, tookMs, ok)
  if (mode === 'fire-and-forget') void tellAboutPromises(card, answer.booking, tookMs)
  if (killsWorker && mode === 'queued') {
    doomed.add(answer.booking.id)
    tell(card, ['Watch the voucher.', 'When it is under way, its worker is killed with kill -9.'])
  }
}

function tellAboutRequest(card, tookMs, ok) {
  if (ok)
    return tell(card, [
      `The guest waited ${ms(tookMs)}.`,
      'And held a connection, and would have paid for any step that was slow that day.',
    ])
  return tell(card, [
    `The guest waited ${ms(tookMs)} and got an error.`,
    'A service was out of order; a request cannot wait until it is back. The voucher had gone out already.',
  ])
}

async function tellAboutPromises(card, booking, tookMs) {
  const first = [`Answered in ${ms(tookMs)}.`, 'The work is three promises in the memory of another process.']
  tell(card, first)
  await pause(PROMISES_LIVE_MS)
  const { killed } = await (await post('/switches/kill-promises')).json()
  const second = [`Then process ${killed} died.`, 'It was started again at once; what it had promised was not.']
  tell(card, first, second)
  await pause(LOOK_AGAIN_MS)
  const pdf = await fetch(`/bookings/${booking.id}/voucher.pdf`)
  const mailed = model.mails.some((mail) => mail.bookingId === booking.id)
  const called = model.calls.filter((call) => call.bookingId === booking.id && call.status === 200).length
  const found = `${pdf.ok ? 'a PDF' : 'no PDF'}, ${mailed ? 'a mail' : 'no mail'}, ${called === 0 ? 'no' : called} calls`
  tell(card, first, second, [
    `${whole.format(LOOK_AGAIN_MS / 1000)} s later: ${found}.`,
    'Nothing will try again, and no list says that anything is missing.',
  ])
}

async function killWhenRunning(view, card) {
  const voucher = view.tasks.find((task) => task.step === 'voucher')
  if (voucher.state !== 'running' || voucher.progress < KILL_AT_PROGRESS) return
  doomed.delete(view.booking.id)
  const { killed } = await (await post('/switches/kill-worker')).json()
  const at = whole.format(voucher.progress * 100)
  tell(
    card,
    [`Worker ${killed} was killed at ${at} % of the voucher.`, 'It could not say or save anything.'],
    [
      'Now wait for the lease to run out (3 s at most).',
      'The task is on disk; the next worker gets it as attempt 2. The guest noticed nothing.',
    ],
  )
}

// ---------------------------------------------------------------- the flash sale

const nothingYet = { ms: 0, arrived: 0, booked: 0 }
const sale = { view: undefined, samples: [] }
const SVG = 'http://www.w3.org/2000/svg'
const chart = { left: 56, right: 626, top: 14, bottom: 264 }

function svg(tag, attributes, text = '') {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.textContent = text
  return node
}

/** 1, 2 or 5 times a power of ten, so that at most `parts` of them reach `max`. */
function stepFor(max, parts) {
  const rough = max / parts
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
}

function showSale(view) {
  sale.view = view
  const { arrived, booked } = view.latest
  write($('sale-arrived'), whole.format(arrived))
  write($('sale-booked'), whole.format(booked))
  write($('sale-waiting'), whole.format(arrived - booked))
  write($('sale-p99'), view.answerP99Ms === undefined ? '–' : ms(view.answerP99Ms))
  if (view.state === 'idle') return
  $('sale-submit').setAttribute('aria-disabled', String(view.state === 'running'))
  const left = (view.wanted - booked) / view.perSecond
  saySale(
    view.state === 'over'
      ? `${whole.format(view.wanted)} bookings are in the database, ${oneDigit.format(view.latest.ms / 1_000)} s after the first guest came.`
      : `${whole.format(view.perSecond)} updates a second; ${whole.format(Math.ceil(left))} s to go.`,
    view.state === 'over' ? 'good' : '',
  )
  drawSale()
}

function saySale(text, kind) {
  $('sale-answer').className = `answer ${kind}`
  write($('sale-answer'), text)
}

function drawSale() {
  const { view, samples } = sale
  const points = [...samples, view.latest]
  const endMs = Math.max(view.latest.ms, view.state === 'over' ? 0 : (1_000 * view.wanted) / view.perSecond, 1_000)
  const x = (at) => chart.left + ((chart.right - chart.left) * at) / endMs
  const y = (count) => chart.bottom - ((chart.bottom - chart.top) * count) / view.wanted
  const line = (of) => points.map((point) => `${x(point.ms).toFixed(1)},${y(point[of]).toFixed(1)}`)
  const arrived = line('arrived')
  const booked = line('booked')
  const parts = [
    svg(
      'title',
      { id: 'sale-chart-title' },
      `Bookings over ${oneDigit.format(endMs / 1_000)} seconds: ${view.latest.arrived} arrived, ${view.latest.booked} are in the database`,
    ),
    svg('polygon', { class: 'queue', points: [...arrived, ...booked.toReversed()].join(' ') }),
  ]
  for (let count = 0, step = stepFor(view.wanted, 4); count <= view.wanted; count += step) {
    parts.push(
      svg('line', { class: 'grid', x1: chart.left, x2: chart.right, y1: y(count), y2: y(count) }),
      svg('text', { x: chart.left - 8, y: y(count) + 4, 'text-anchor': 'end' }, whole.format(count)),
    )
  }
  for (let at = 0, step = stepFor(endMs / 1_000, 6); at * 1_000 <= endMs; at += step) {
    parts.push(svg('text', { x: x(at * 1_000), y: chart.bottom + 20, 'text-anchor': 'middle' }, `${at} s`))
  }
  parts.push(
    svg('polyline', { class: 'arrivals', points: arrived.join(' ') }),
    svg('polyline', { class: 'served', points: booked.join(' ') }),
  )
  $('sale-chart').replaceChildren(...parts)
}

$('sale-form').addEventListener('submit', async (event) => {
  event.preventDefault()
  if ($('sale-submit').getAttribute('aria-disabled') === 'true') return
  sale.samples = [{ ...nothingYet }]
  saySale('The guests are coming…', '')
  try {
    const response = await post('/sale', { bookings: Number($('sale-count').value) })
    if (!response.ok) saySale((await response.json()).title, 'bad')
  } catch {
    saySale('The hotel did not answer. Is it still running?', 'bad')
  }
})

// ---------------------------------------------------------------- listening

function listen() {
  const events = new EventSource('/events')
  const on = (name, use) => events.addEventListener(name, (event) => use(JSON.parse(event.data)))
  on('snapshot', (snapshot) => {
    $('offline').hidden = true
    model.mails = snapshot.mails
    model.calls = [...snapshot.calls]
    const { bookingMs, voucherMs, mailMs, servicesMs } = snapshot.pace
    model.fastPlannedMs = bookingMs
    model.plannedMs = bookingMs + voucherMs + mailMs + servicesMs
    showFigures()
    showProcesses(snapshot.processes)
    sale.samples = snapshot.sale.samples
    showSale(snapshot.sale)
    $('inbox').replaceChildren()
    $('calls').replaceChildren()
    for (const view of snapshot.bookings.slice(0, CARDS_MAX).toReversed()) showBooking(view, false)
    for (const mail of snapshot.mails.toReversed()) showMail(mail, false)
    for (const call of snapshot.calls.toReversed()) showCall(call, false)
  })
  on('booking', (view) => showBooking(view, !cards.has(view.booking.id)))
  on('sale', (view) => {
    if (view.latest.ms < (sale.samples.at(-1)?.ms ?? 0)) sale.samples = [{ ...nothingYet }]
    sale.samples.push(view.latest)
    showSale(view)
  })
  on('processes', showProcesses)
  on('mail', (mail) => {
    model.mails.unshift(mail)
    showMail(mail, true)
  })
  on('call', (call) => {
    model.calls.unshift(call)
    showCall(call, true)
  })
  events.addEventListener('error', () => {
    $('offline').hidden = false
    $('lamp-web').className = 'lamp off'
    // A browser gives up when the answer is an error; then this page asks again.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1_000)
  })
}

function isoInDays(days) {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
}

$('arrival').value = isoInDays(14)
$('departure').value = isoInDays(17)
showFigures()
listen()
