// Command screens makes the pictures of the dashboard in docs/dashboard: it
// starts paragond dev with workflows that succeed, wait, retry and fail, opens
// the real dashboard on terminals of 80, 120 and 200 columns, and writes what
// they show as SVG.
package main
