.PHONY: demo test check up
demo test check up:
	./ponte $@
