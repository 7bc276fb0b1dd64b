package schema

// DestinationSpec is the spec of a Destination: where a project is told of what
// went wrong, and how often. A template in it sees message alone, never a
// secret.
type DestinationSpec struct {
	// Description says who is told.
	Description string `json:"description,omitempty"`
	// Events are those that are told. Default all of them, of every workflow.
	Events []DestinationEvent `json:"events,omitempty"`
	// Group says how events share a message.
	Group *DestinationGroup `json:"group,omitempty"`
	// Webhook sends messages as requests. A destination has exactly one of
	// webhook and email.
	Webhook *DestinationWebhook `json:"webhook,omitempty"`
	// Email sends messages by the mail server of the installation.
	Email *DestinationEmail `json:"email,omitempty"`
	// Template is what is sent instead of the default text.
	Template *DestinationTemplate `json:"template,omitempty"`
}

// DestinationEvent is an event that is told.
type DestinationEvent struct {
	// Event names it.
	Event string `json:"event" enum:"run.failed,credential.invalid,workflow.paused,queue.paused,logs.delayed,destination.disabled"`
	// Workflows are names of workflows: only of these (run.failed and
	// workflow.paused).
	Workflows []string `json:"workflows,omitempty"`
	// Labels are labels of workflows: only of those that have them all
	// (run.failed and workflow.paused).
	Labels map[string]string `json:"labels,omitempty"`
}

// DestinationGroup says how events share a message, so that a storm sends one.
type DestinationGroup struct {
	// Wait is how long the first event waits for others, from 1s to 1h. Default
	// 10s.
	Wait Duration `json:"wait,omitempty"`
	// Interval is the least time between two messages, from 1s to 7d: what
	// happens meanwhile is summed up in the next. Default 5m.
	Interval Duration `json:"interval,omitempty"`
}

// DestinationWebhook is a URL that messages are posted to.
type DestinationWebhook struct {
	// URL is where: a text, or the Secret that holds it.
	URL *TextOrSecret `json:"url"`
	// Signature signs each message as Standard Webhooks has it, in the headers
	// webhook-id, webhook-timestamp and webhook-signature. The Secret is whsec_
	// and the key in base64.
	Signature *SecretName `json:"signature,omitempty"`
	// Headers are sent with each message: texts, or Secrets that hold them.
	Headers map[string]TextOrSecret `json:"headers,omitempty"`
}

// DestinationEmail is who gets messages as e-mail.
type DestinationEmail struct {
	// To are the addresses.
	To []string `json:"to"`
}

// DestinationTemplate is what is sent. Both see message: id, project,
// destination, title, text, count, since, until and events.
type DestinationTemplate struct {
	// Title is one line: the subject of an e-mail, message.title in the body
	// (template).
	Title string `json:"title,omitempty"`
	// Body is what is sent (template): for a webhook any value, which is sent as
	// JSON; for an e-mail a text.
	Body any `json:"body,omitempty"`
}

// The events that a Destination tells of.
const (
	EventRunFailed           = "run.failed"
	EventCredentialInvalid   = "credential.invalid"
	EventWorkflowPaused      = "workflow.paused"
	EventQueuePaused         = "queue.paused"
	EventLogsDelayed         = "logs.delayed"
	EventDestinationDisabled = "destination.disabled"
)
