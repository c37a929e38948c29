/*
 * assets_data.S
 *	  The files of web/ inside the program: one line each.
 */
	.macro	asset name, path
	.section .rodata
	.balign	8
	.global	asset_\name
asset_\name:
	.incbin	"\path"
asset_\name\()_end:
	.byte	0
	.balign	8
	.global	asset_\name\()_length
asset_\name\()_length:
	.quad	asset_\name\()_end - asset_\name
	.endm

	asset	client_js, "web/client.min.js"
	asset	robots, "web/robots.list"
	asset	agents, "web/agents.list"
	asset	demo_page, "web/demo/page.html"
	asset	demo_script, "web/demo/demo.js"
	asset	demo_style, "web/demo/demo.css"

	.section .note.GNU-stack, "", %progbits
